"""Restoration makes a photograph better without making anything up."""

import numpy as np
import pytest
from imagerift_vision.control import Guard
from imagerift_vision.restoration import denoised, noise_of, sharpened, toned
from odd_images import scene
from PIL import ImageFilter


def noisy(pixels: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(4).normal(0, sigma, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def flat(value: int = 120) -> np.ndarray:
    return np.full((200, 260, 3), value, np.uint8)


@pytest.mark.parametrize("sigma", [3, 6, 10])
def test_noise_is_measured(sigma: int) -> None:
    # Brightness averages the channels' noise: 0.67 of each is left.
    assert noise_of(noisy(flat(), sigma)) == pytest.approx(0.67 * sigma, rel=0.25)


def test_a_clean_picture_has_no_noise_and_is_left_alone(guard: Guard) -> None:
    assert noise_of(flat()) < 0.5
    assert np.array_equal(denoised(flat(), 0.3, guard), flat())


def test_noise_is_taken_out_and_an_edge_stays(guard: Guard) -> None:
    clean = flat(80)
    clean[:, 130:] = 180
    rough = noisy(clean, 8)
    calm = denoised(rough, noise_of(rough), guard)
    assert noise_of(calm) < 0.4 * noise_of(rough)
    assert calm[:, 134:].mean() - calm[:, :126].mean() == pytest.approx(100, abs=3)


def test_sharpening_never_turns_noise_into_texture(guard: Guard) -> None:
    rough = noisy(flat(), 4)
    sharp = sharpened(rough, noise_of(rough), guard)
    assert noise_of(sharp) < 1.12 * noise_of(rough)


def test_a_soft_edge_gets_steeper_without_a_halo(guard: Guard) -> None:
    soft = np.asarray(scene().filter(ImageFilter.GaussianBlur(1.5)))
    sharp = sharpened(soft, 0.0, guard)
    steep = [np.abs(np.diff(p.astype(int), axis=1)).max() for p in (soft, sharp)]
    assert steep[1] > steep[0]
    assert int(sharp.max()) <= int(soft.max()) + 6


def test_tone_keeps_to_its_limits(guard: Guard) -> None:
    dusk = (np.asarray(scene()) // 4).astype(np.uint8)
    lighter = toned(dusk, guard)
    assert 0.95 * dusk.mean() < lighter.mean() < 1.6 * dusk.mean()
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    rows = toned(ramp, guard)[32, :, 0].astype(int)
    assert (np.diff(rows) >= -1).all()
