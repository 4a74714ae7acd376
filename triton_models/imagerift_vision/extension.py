"""Extends a picture's backdrop: its texture and structure are continued outwards."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.texture import completed

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# Texture is put together at no more than this long edge; a larger picture's is enlarged.
MOST_EDGE = 2048
SUBJECT_FROM = 0.15
# A shadow is half taken for the subject; from here on it is the subject itself.
SOLID_FROM = 0.7
# So far around the subject, as a share of the long edge, its softness reaches, and its shadow.
EDGE_SHARE, SHADOW_SHARE = 0.012, 0.08
# Where the light at the border differs from the new part's, as in the subject's shadow, it fades
# away over this share of the long edge. Narrow bands on both
# sides are compared, and what they say is evened out along the border.
LIGHT_FADES = 0.06
LIGHT_BAND, LIGHT_SPREAD = 0.004, 0.03
DARKEST, BRIGHTEST = 0.08, 1.5


def extended(
    rgb: Pixels, interest: Float, beyond: tuple[int, int, int, int], guard: Guard
) -> Pixels:
    """[h, w, 3] with `beyond` more pixels: left, top, right, bottom.

    `interest` [h, w], 0 to 1, is the subject; it is never repeated outside. Raises VisionError
    `canceled` or `timeout` between steps.
    """
    if not any(beyond):
        return rgb
    left, top, right, bottom = beyond
    height, width = rgb.shape[:2]
    plate = _without(rgb, interest)
    canvas = cv2.copyMakeBorder(plate, top, bottom, left, right, cv2.BORDER_REFLECT_101)
    shown = (slice(top, top + height), slice(left, left + width))
    canvas[shown] = rgb
    unknown = np.ones(canvas.shape[:2], bool)
    unknown[shown] = False
    subject = np.zeros(canvas.shape[:2], bool)
    subject[shown] = interest > SUBJECT_FROM
    near, shaded = (_grown(subject, share) for share in (EDGE_SHARE, SHADOW_SHARE))
    scale = min(1.0, MOST_EDGE / max(unknown.shape))
    size = (round(unknown.shape[1] * scale), round(unknown.shape[0] * scale))
    small = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA) if scale < 1 else canvas
    hidden = _scaled(unknown, size)
    made = completed(
        small.astype(np.float32) / 255, hidden, _scaled(near, size), _scaled(shaded, size), guard
    )
    solid = np.zeros(canvas.shape[:2], bool)
    solid[shown] = interest > SOLID_FROM
    made = _lit_as_the_border(made, hidden, _scaled(solid, size))
    pixels = (made * 255 + 0.5).clip(0, 255).astype(np.uint8)
    if scale < 1:
        pixels = cv2.resize(pixels, unknown.shape[::-1], interpolation=cv2.INTER_CUBIC)
    whole: Pixels = np.where(unknown[..., None], pixels, canvas)
    return whole


def _lit_as_the_border(made: Float, hidden: Mask, subject: Mask) -> Float:
    """Bring the new part's light to that of the border it meets, less and less away from it.

    The light at the border is compared with that of the new part beside it; a shadow that the
    border cuts ends softly that way. The subject's own pixels do not count.
    """
    longest = max(hidden.shape)
    band, spreading = max(1.5, LIGHT_BAND * longest), LIGHT_SPREAD * longest
    known = (~hidden & ~subject).astype(np.float32)
    new = hidden.astype(np.float32)
    shown, shown_weight = _local_mean(made, known, band)
    grown, grown_weight = _local_mean(made, new, band)
    ratio = np.log((shown + 0.02) / (grown + 0.02))
    ratio = np.clip(ratio, np.log(DARKEST), np.log(BRIGHTEST)).astype(np.float32)
    # Both sides are seen only along the border; from there the ratio spreads outwards.
    seen = np.minimum(shown_weight, grown_weight)
    seen = np.where(seen > 0.1, seen, 0).astype(np.float32)
    spread = cv2.GaussianBlur(ratio * seen[..., None], (0, 0), spreading)
    share = cv2.GaussianBlur(seen, (0, 0), spreading)
    light = spread / np.maximum(share, 1e-4)[..., None]
    away = cv2.distanceTransform(hidden.astype(np.uint8), cv2.DIST_L2, 5)
    fade = np.exp(-away / (LIGHT_FADES * longest)) * np.clip(share * 100, 0, 1)
    lit: Float = np.where(hidden[..., None], made * np.exp(light * fade[..., None]), made)
    return lit.astype(np.float32)


def _local_mean(picture: Float, weight: Float, sigma: float) -> tuple[Float, Float]:
    total = cv2.GaussianBlur(picture * weight[..., None], (0, 0), sigma)
    share = cv2.GaussianBlur(weight, (0, 0), sigma)
    mean: Float = total / np.maximum(share, 1e-4)[..., None]
    return mean, share


def _grown(mask: Mask, share: float) -> Mask:
    reach = max(3, round(share * max(mask.shape)))
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    grown: Mask = away <= reach
    return grown


def _scaled(mask: Mask, size: tuple[int, int]) -> Mask:
    scaled: Mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return scaled


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
