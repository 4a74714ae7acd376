"""How a picture is scored, from 0 to 1, by Yahoo's open_nsfw: for model.py, and to measure it.

python score.py PICTURE …      prints the scores, the highest first, and how many are above limits
"""

import hashlib
import io
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

WEIGHTS = Path(__file__).resolve().with_name("open-nsfw.onnx")
SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
# As its makers prepare a picture: squeezed to a square, of which the middle is read as a JPEG, blue
# first.
SQUARE, SIDE = 256, 224
MEAN = np.array([104, 117, 123], np.float32)
WHITE = 255
LIMITS = (0.5, 0.8, 0.95)


def check():
    """Raise where the weights are not there, or are others."""
    with WEIGHTS.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise ValueError(f"{WEIGHTS} has another checksum: {found}")


class Scorer:
    """The network, loaded once."""

    def __init__(self):
        check()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._network = onnxruntime.InferenceSession(
            str(WEIGHTS), options, providers=["CPUExecutionProvider"]
        )
        self._fed = self._network.get_inputs()[0].name

    def score(self, rgba):
        """The score of [H, W, 4] sRGB pixels, shown on white."""
        (scores,) = self._network.run(None, {self._fed: prepared(rgba)[None]})
        return float(scores[0, 1])


def prepared(rgba):
    """[224, 224, 3] as the network is fed."""
    share = rgba[..., 3:].astype(np.float32) / WHITE
    shown = rgba[..., :3] * share + WHITE * (1 - share)
    square = Image.fromarray(shown.astype(np.uint8)).resize(
        (SQUARE, SQUARE), Image.Resampling.BILINEAR
    )
    edge = (SQUARE - SIDE) // 2
    with io.BytesIO() as file:
        square.crop((edge, edge, edge + SIDE, edge + SIDE)).save(file, "JPEG")
        middle = np.asarray(Image.open(file), np.float32)
    return np.ascontiguousarray(middle[..., ::-1] - MEAN)


if __name__ == "__main__":
    scorer = Scorer()
    scores = {}
    for name in sys.argv[1:]:
        picture = ImageOps.exif_transpose(Image.open(name)).convert("RGBA")
        scores[name] = scorer.score(np.asarray(picture))
    for name, score in sorted(scores.items(), key=lambda item: -item[1]):
        sys.stdout.write(f"{score:.4f} {name}\n")
    for limit in LIMITS:
        above = sum(score > limit for score in scores.values())
        sys.stdout.write(f"above {limit}: {above} of {len(scores)}\n")
