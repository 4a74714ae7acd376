"""Fields of a picture: what is made of fewer pixels, or of pieces, shows the same."""

import cv2
import numpy as np
import pytest
from imagerift_vision.fields import blurred, each_channel, in_colour, mixed
from imagerift_vision.scene.finish import Grain, seamless_grain
from imagerift_vision.scene.render import Strip

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("shape", [(200, 301), (160, 240, 3)])
@pytest.mark.parametrize(("across", "down"), [(2, None), (9, None), (31, None), (24, 12)])
def test_a_broad_blur_is_the_plain_one(
    shape: tuple[int, ...], across: float, down: float | None
) -> None:
    field = cv2.GaussianBlur(RNG.random(shape, dtype=np.float32), (0, 0), 3)
    field[40:90, 60:150] = 1
    plain = cv2.GaussianBlur(field, (0, 0), across, sigmaY=down or across)
    assert np.abs(blurred(field, across, down) - plain).max() < 0.012


def test_colours_are_those_of_plain_arithmetic() -> None:
    share = RNG.random((7, 9), dtype=np.float32)
    low, high = (0.2, 0.5, 1.0), (1.0, 0.1, 0.4)
    assert np.array_equal(each_channel(share), np.repeat(share[..., None], 3, axis=2))
    assert np.allclose(in_colour(share, low), share[..., None] * np.array(low), atol=1e-6)
    expected = (1 - share[..., None]) * np.array(low) + share[..., None] * np.array(high)
    assert np.allclose(mixed(share, low, high), expected, atol=1e-6)


@pytest.mark.parametrize("shrink", [1, 2, 4])
@pytest.mark.parametrize("way", [cv2.INTER_LINEAR, cv2.INTER_CUBIC])
def test_strips_and_their_parts_are_pieces_of_the_whole(shrink: int, way: int) -> None:
    height, width = 198, 131
    field = RNG.random((-(-height // shrink), -(-width // shrink), 3), dtype=np.float32)
    whole = cv2.resize(field, None, fx=shrink, fy=shrink, interpolation=way)[:height, :width]
    for top in range(0, height, 64):
        count = min(64, height - top)
        for left, right in ((0, width), (37, 90), (100, width)):
            piece = Strip(top, count, left, right, shrink).of(field, way)
            assert np.allclose(piece, whole[top : top + count, left:right], atol=1e-5)


@pytest.mark.parametrize("longest", [300, 1024, 4096])
def test_grain_is_even_and_the_same_in_every_piece(longest: int) -> None:
    grain = Grain(seamless_grain(np.random.default_rng(1), longest), 0.01)
    whole = grain.rows(900, 300, 0, 1500)
    assert np.array_equal(grain.rows(1000, 64, 700, 200), whole[100:164, 700:900])
    assert abs(float(whole.mean())) < 0.0005
    # No seam: each row varies as much as the others.
    assert whole.std(axis=1) == pytest.approx(np.full(300, whole.std()), rel=0.25)
