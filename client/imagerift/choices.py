"""What a job may ask for, as help and completion show it.

Sizes, shapes, formats and statuses are the API's for good. Modes and presets are those that are
shipped: an installation may have others, so that they are offered but not insisted on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

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
    "scene": (
        "studio",
        "cinematic",
        "golden_hour",
        "luxury_dark",
        "pastel",
        "neon",
        "noir",
        "vintage",
        "nature",
    ),
    "edit": (),
    "generate": (),
    "avatar": ("anime", "cartoon3d", "oilpaint"),
    "enhance": (),
    "cutout": ("transparent", "marketplace"),
}

# Of each size, shape and format it is clear which of them it is.
_OUTPUT_PARTS: Mapping[str, tuple[str, ...]] = {
    "aspect": get_args(Aspect),
    "size": get_args(Size),
    "format": get_args(Format),
}


def output_of(text: str) -> dict[str, str]:
    """The parts of an output such as `1:1,2k,jpeg`, in any order. Raises `ValueError`."""
    parts: dict[str, str] = {}
    for word in text.split(","):
        name = next((name for name, words in _OUTPUT_PARTS.items() if word in words), None)
        if name is None:
            raise ValueError(f"'{word}' is no shape, size or format.")
        if name in parts:
            raise ValueError(f"'{parts[name]}' and '{word}' are both its {name}.")
        parts[name] = word
    return parts


def outputs(incomplete: str) -> list[str]:
    """What an output that begins so may go on with: a shape, a size or a format, each once."""
    *given, last = incomplete.split(",")
    left = [words for words in _OUTPUT_PARTS.values() if not set(words) & set(given)]
    begun = "".join(f"{word}," for word in given)
    return [f"{begun}{word}" for words in left for word in words if word.startswith(last)]


def modes(incomplete: str) -> list[str]:
    """The modes that begin with what was typed."""
    return [mode for mode in SHIPPED_PRESETS if mode.startswith(incomplete)]


def presets(mode: str, incomplete: str) -> list[str]:
    """The presets of a mode that begin with what was typed."""
    return [preset for preset in SHIPPED_PRESETS.get(mode, ()) if preset.startswith(incomplete)]
