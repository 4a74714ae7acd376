"""More backdrop than the picture has: its border region goes on outwards, softly out of focus."""

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# Focus is lost over this share of the longer side, step by step.
BLURS = (0.004, 0.012, 0.035)
FOCUS_LOST = 0.016
# Grain that is kept in the new parts, in 8-bit steps: without it the seam would be seen.
MOST_GRAIN = 4.0


def extended(rgb: Pixels, interest: Float, beyond: tuple[int, int, int, int]) -> Pixels:
    """[h, w, 3] with `beyond` more pixels: left, top, right, bottom.

    `interest` [h, w], 0 to 1, is the subject; it is never repeated outside: what is mirrored is a
    plate of the picture from which it was taken out.
    """
    if not any(beyond):
        return rgb
    left, top, right, bottom = beyond
    height, width = rgb.shape[:2]
    plate = _without(rgb, interest)
    # OpenCV mirrors any number of times; the seam is continuous.
    mirrored = cv2.copyMakeBorder(plate, top, bottom, left, right, cv2.BORDER_REFLECT_101)
    longest = max(mirrored.shape[:2])
    rows = np.arange(mirrored.shape[0], dtype=np.float32)[:, None]
    columns = np.arange(mirrored.shape[1], dtype=np.float32)[None]
    down = np.maximum(top - rows, rows - (top + height - 1)).clip(0)
    across = np.maximum(left - columns, columns - (left + width - 1)).clip(0)
    reach = np.hypot(down, across)[..., None] / (FOCUS_LOST * longest)
    with_picture = mirrored.copy()
    with_picture[top : top + height, left : left + width] = rgb
    # Blurring from the plate, so that the subject does not bleed outwards.
    sharp = mirrored.astype(np.float32)
    outside = sharp.copy()
    for level, share in enumerate(BLURS):
        soft = cv2.GaussianBlur(sharp, (0, 0), share * longest)
        mix = np.clip(reach - level, 0, 1)
        outside = outside * (1 - mix) + soft * mix
    grain = sharp - cv2.GaussianBlur(sharp, (0, 0), 1.0)
    outside += np.clip(grain, -MOST_GRAIN, MOST_GRAIN) * np.clip(reach, 0, 1)
    new = (reach > 0).astype(np.float32)
    whole = with_picture * (1 - new) + outside * new
    mended: Pixels = np.clip(whole + 0.5, 0, 255).astype(np.uint8)
    return mended


def _without(rgb: Pixels, interest: Float) -> Pixels:
    """The picture with smooth colours of its surroundings in the subject's place.

    Pull-push interpolation (Gortler et al. 1996) over a pyramid.
    """
    height, width = rgb.shape[:2]
    margin = max(3, round(max(height, width) / 60)) | 1
    solid = cv2.dilate((interest > 0.3).astype(np.float32), np.ones((margin, margin), np.uint8))
    weight = 1 - cv2.GaussianBlur(solid, (0, 0), margin / 3)
    weight = np.clip(weight * 1.05 - 0.05, 0, 1).astype(np.float32)
    filled = _pulled(rgb.astype(np.float32), weight)
    share = weight[..., None]
    plate: Pixels = (rgb * share + filled * (1 - share) + 0.5).clip(0, 255).astype(np.uint8)
    return plate


def _pulled(colours: Float, weight: Float) -> Float:
    """Colours [h, w, 3] whose unknown places (weight 0) are filled from coarser levels."""
    height, width = weight.shape
    if min(height, width) <= 2:
        total = float(weight.sum())
        mean = (colours * weight[..., None]).sum(axis=(0, 1)) / max(total, 1e-4)
        return np.broadcast_to(mean, colours.shape).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    known = cv2.resize(colours * weight[..., None], half, interpolation=cv2.INTER_AREA)
    seen = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    coarse = _pulled(known / np.maximum(seen, 1e-4)[..., None], np.clip(seen * 4, 0, 1))
    larger = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    share = weight[..., None]
    filled: Float = colours * share + larger * (1 - share)
    return filled
