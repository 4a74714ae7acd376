"""The options of a cut-out in REQUEST and PARAMETERS."""

import re
from dataclasses import asdict
from typing import Any, get_args

from imagerift_contract.cutouts import (
    BACKGROUND_PATTERN,
    MAX_FILL,
    MAX_PADDING,
    MAX_SIDE,
    MIN_FILL,
    MIN_SIDE,
    CutoutAlign,
    CutoutOptions,
    CutoutShadow,
)

from imagerift_vision.errors import VisionError

ALIGNS: tuple[CutoutAlign, ...] = get_args(CutoutAlign)
SHADOWS: tuple[CutoutShadow, ...] = get_args(CutoutShadow)


def cutout_document(options: CutoutOptions | None) -> dict[str, Any] | None:
    """The member `cutout`."""
    return None if options is None else asdict(options)


def read_cutout(document: Any) -> CutoutOptions | None:
    """The options in the member `cutout`, None where it is null; unknown ones are passed over.

    Raises VisionError `invalid_request`, naming the option that is wrong but never its value.
    """
    if document is None:
        return None
    if not isinstance(document, dict):
        raise VisionError("invalid_request", "cutout is not an object")
    background = document.get("background")
    if background is not None and not (
        isinstance(background, str) and re.match(BACKGROUND_PATTERN, background)
    ):
        raise VisionError("invalid_request", "cutout.background is neither transparent nor #rrggbb")
    width, height = (_side(document, name) for name in ("width", "height"))
    if (width is None) != (height is None):
        raise VisionError("invalid_request", "cutout.width and cutout.height come together")
    align, shadow = document.get("align"), document.get("shadow")
    for name, value, known in (("align", align, ALIGNS), ("shadow", shadow, SHADOWS)):
        if value is not None and value not in known:
            raise VisionError("invalid_request", f"cutout.{name} must be one of {', '.join(known)}")
    return CutoutOptions(
        background=background,
        padding=_share(document, "padding", 0, MAX_PADDING),
        fill=_share(document, "fill", MIN_FILL, MAX_FILL),
        align=align,
        shadow=shadow,
        width=width,
        height=height,
    )


def _share(document: dict[str, Any], name: str, low: float, high: float) -> float | None:
    value = document.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise VisionError("invalid_request", f"cutout.{name} must be a number, {low} to {high}")
    return float(value)


def _side(document: dict[str, Any], name: str) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    if type(value) is not int or not MIN_SIDE <= value <= MAX_SIDE:
        raise VisionError(
            "invalid_request", f"cutout.{name} must be a whole number, {MIN_SIDE} to {MAX_SIDE}"
        )
    return value
