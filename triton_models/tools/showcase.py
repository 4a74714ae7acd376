"""Make docs/images/before-after.webp: the sample photo and five looks of it, by the real pipeline.

Run it in the models' environment: MODELS_PYTHON triton_models/tools/showcase.py [--sheet FILE]
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "triton_models"))

from imagerift_vision.control import AttemptGuard, CancelFlags  # noqa: E402
from imagerift_vision.decoding import Source, decode  # noqa: E402
from imagerift_vision.mode_call import ModeCall  # noqa: E402
from imagerift_vision.presets import PRESETS  # noqa: E402
from imagerift_vision.style import StyleMode  # noqa: E402

Pixels = NDArray[np.uint8]

SHOWN = (("studio", 100), ("golden_hour", 103), ("neon", 101), ("pastel", 103), ("oil", 101))
TILE = 400
GAP = 10


def render(mode: StyleMode, source: Source, preset: str, seed: int) -> Pixels:
    """One square base picture of the source."""
    guard = AttemptGuard.begun(CancelFlags(Path("/nonexistent")), "showcase", 600)
    call = ModeCall(
        model="style",
        image=source.rgba,
        attempt_id="showcase",
        seconds_left=guard.seconds_left(),
        prompt="",
        preset=preset,
        seeds=(seed,),
        width=1024,
        height=1024,
    )
    picture: Pixels = mode.run(call, guard).images[0]
    return picture


def tile(picture: Pixels) -> Pixels:
    """The picture's middle square at the sheet's tile size."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side]
    way = cv2.INTER_AREA if side > TILE else cv2.INTER_CUBIC
    return cv2.resize(square, (TILE, TILE), interpolation=way)


def sheet(pictures: list[Pixels], columns: int) -> Pixels:
    """Lay tiles in rows on white."""
    rows = -(-len(pictures) // columns)
    page = np.full((rows * (TILE + GAP) - GAP, columns * (TILE + GAP) - GAP, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        y, x = (index // columns) * (TILE + GAP), (index % columns) * (TILE + GAP)
        page[y : y + TILE, x : x + TILE] = tile(picture)
    return page


def write(path: Path, page: Pixels) -> None:
    """Save a WebP."""
    cv2.imwrite(str(path), page[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 84])


def main() -> None:
    """Write the README's strip, or with --sheet all presets with four seeds each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path, default=ROOT / "docs" / "images" / "sample.jpg")
    parser.add_argument("--sheet", type=Path, help="write all presets x four seeds here instead")
    options = parser.parse_args()
    source = decode(options.photo.read_bytes(), 1536)
    mode = StyleMode(threads=2)
    if options.sheet:
        looks = [(preset, seed) for preset in PRESETS for seed in range(100, 104)]
        write(options.sheet, sheet([render(mode, source, *look) for look in looks], 4))
        return
    pictures = [source.rgba[..., :3], *(render(mode, source, *look) for look in SHOWN)]
    write(ROOT / "docs" / "images" / "before-after.webp", sheet(pictures, 3))


if __name__ == "__main__":
    main()
