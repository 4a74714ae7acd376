"""What `anime` and `cartoon3d` make of one portrait: two looks, and a mouth with its lines."""

from collections.abc import Mapping

import cv2
import numpy as np
import pytest
from imagerift_vision.avatar_looks import anime, cartoon, resized
from imagerift_vision.control import AttemptGuard, CancelFlags
from imagerift_vision.faces import MOUTH, FaceFinder
from imagerift_vision.features import area
from imagerift_vision.matting import Matting
from imagerift_vision.portrait import Portrait, portray
from imagerift_vision.superres import NETWORK, TILE, PackagedNetwork
from odd_images import PORTRAIT
from PIL import Image

SIDE = 640
Drawn = tuple[np.ndarray, Portrait]


@pytest.fixture(scope="module")
def shown() -> Portrait:
    opaque = np.asarray(Image.open(PORTRAIT).convert("RGBA"))
    return portray(opaque, SIDE, SIDE, FaceFinder(), Matting(1))


@pytest.fixture(scope="module")
def drawn(shown: Portrait, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Drawn]:
    network = PackagedNetwork(NETWORK, 1, TILE)
    guard = AttemptGuard(CancelFlags(tmp_path_factory.mktemp("flags")), "looks", float("inf"))
    return {"anime": anime(shown, network, guard), "cartoon3d": cartoon(shown, network, guard)}


def on_grey(drawing: Drawn) -> np.ndarray:
    """The person before a grey wall, [h, w, 3], 0 to 1."""
    share = drawing[1].alpha[..., None]
    return (drawing[0] * share + 0.5 * (1 - share)).astype(np.float32)


def flatness(drawing: Drawn) -> float:
    """The share of the person whose tone is that of the pixels around it."""
    tone = cv2.cvtColor(drawing[0].astype(np.float32), cv2.COLOR_RGB2LAB)[..., 0]
    slopes = [cv2.Sobel(tone, cv2.CV_32F, *way, scale=1 / 8) for way in ((1, 0), (0, 1))]
    inside = cv2.erode(drawing[1].alpha, np.ones((15, 15), np.uint8)) > 0.98
    # What is black has no tones in either look.
    return float((np.hypot(*slopes) < 0.15)[inside & (tone > 12)].mean())


def test_anime_and_cartoon3d_differ_at_a_glance(drawn: Mapping[str, Drawn]) -> None:
    cel, figure = drawn["anime"], drawn["cartoon3d"]
    assert flatness(cel) > 0.4
    assert flatness(cel) > 3 * flatness(figure)
    small = [
        cv2.cvtColor(
            cv2.resize(on_grey(one), (64, 64), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB
        )
        for one in (cel, figure)
    ]
    person = cv2.resize(cel[1].alpha, (64, 64), interpolation=cv2.INTER_AREA) > 0.95
    assert np.linalg.norm(small[0] - small[1], axis=2)[person].mean() > 7


@pytest.mark.parametrize("look", ["anime", "cartoon3d"])
def test_teeth_keep_the_lines_between_them(
    shown: Portrait, drawn: Mapping[str, Drawn], look: str
) -> None:
    colours, portrait = drawn[look]
    photo = resized(portrait, SIDE, SIDE).rgb.astype(np.float32) / 255
    teeth = area(portrait, MOUTH, -0.012, 0) > 0.9
    lines = [_upright_lines(picture)[teeth] for picture in (photo, colours)]
    assert np.corrcoef(*lines)[0, 1] > 0.5
    assert lines[1].std() > 0.5 * lines[0].std()


def _upright_lines(picture: np.ndarray) -> np.ndarray:
    """What is darker than its neighbours to the left and right, relative to them, [h, w]."""
    luma = cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2GRAY) + 0.02
    fine = cv2.GaussianBlur(luma, (0, 0), 1.0)
    around = cv2.GaussianBlur(luma, (0, 0), sigmaX=7, sigmaY=1.5)
    return fine / around - 1
