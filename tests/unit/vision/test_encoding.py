"""A PNG that is written here is the picture to the bit, in any reader."""

import io

import cv2
import numpy as np
import pytest
from imagerift_vision.encoding import ROWS_AT_ONCE, encode
from imagerift_vision.provenance import Provenance
from PIL import Image

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2 * ROWS_AT_ONCE + 3, 7)])
def test_every_pixel_of_a_png_comes_back(size: tuple[int, int], channels: int) -> None:
    pixels = RNG.integers(0, 256, (*size, channels), np.uint8)
    data = encode(pixels, "png", Provenance("style", "studio", 1, ()))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    turn = cv2.COLOR_BGRA2RGBA if channels == 4 else cv2.COLOR_BGR2RGB
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(cv2.cvtColor(read, turn), pixels)


def test_a_flat_picture_is_small() -> None:
    flat = np.full((600, 800, 3), 255, np.uint8)
    assert len(encode(flat, "png", Provenance("cutout", None, 1, ()))) < 20_000
