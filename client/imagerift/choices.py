"""What a job may ask for, as help and completion show it.

Sizes, shapes, formats and statuses are the API's for good. Modes and presets are those that are
shipped: an installation may have others, so that they are offered but not insisted on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Size = Literal["base", "2k", "4k"]
Aspect = Literal["source", "1:1", "4:5", "3:4", "2:3", "16:9", "9:16", "3:2", "4:3"]
Format = Literal["png", "jpeg", "webp", "avif"]
OnUnclearSubject = Literal["grade", "cut", "fail"]
CutoutShadow = Literal["none", "contact", "drop"]
CutoutAlign = Literal[
    "center", "top", "bottom", "left", "right",
    "top-left", "top-right", "bottom-left", "bottom-right",
]  # fmt: skip
JobStatus = Literal["queued", "processing", "succeeded", "failed", "canceled"]

SHIPPED_PRESETS: Mapping[str, tuple[str, ...]] = {
    "style": (
        "studio",
        "cinematic",
        "golden_hour",
        "luxury_dark",
        "pastel",
        "neon",
        "noir",
        "vintage",
        "nature",
        "watercolor",
        "oil",
        "sketch",
    ),
    "avatar": ("anime", "cartoon3d", "oilpaint"),
    "enhance": (),
    "cutout": ("transparent", "marketplace"),
}


def modes(incomplete: str) -> list[str]:
    """The modes that begin with what was typed."""
    return [mode for mode in SHIPPED_PRESETS if mode.startswith(incomplete)]


def presets(mode: str, incomplete: str) -> list[str]:
    """The presets of a mode that begin with what was typed."""
    return [preset for preset in SHIPPED_PRESETS.get(mode, ()) if preset.startswith(incomplete)]
