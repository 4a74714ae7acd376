"""The limits of a source picture, and its refusal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000
# Nothing can be recognised in less.
MIN_SIDE = 16
# A picture of 1024 x 64 pixels is the narrowest that can be made of a panorama.
MAX_RATIO = 16
MAX_METADATA_BYTES = 1024 * 1024
# Below this alpha nothing of a picture can be seen.
VISIBLE_ALPHA = 8


class Kind(StrEnum):
    """The formats that are taken, as content types."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    AVIF = "image/avif"
    HEIC = "image/heic"
    GIF = "image/gif"
    TIFF = "image/tiff"
    BMP = "image/bmp"


FORMATS = "JPEG, PNG, WebP, AVIF, HEIC, GIF, TIFF or BMP"


@dataclass
class Refused(Exception):
    """A picture that is not taken; the message is a sentence for whoever sent it."""

    code: Literal["unsupported_image", "image_unreadable", "image_too_large"]
    message: str


def unsupported(message: str) -> Refused:
    """The file is sound but of a kind that is not taken."""
    return Refused("unsupported_image", message)


def damaged() -> Refused:
    """The file cannot be decoded."""
    return Refused("image_unreadable", "The image is damaged or cut off before its end.")


def too_costly() -> Refused:
    """The file took its decoder past its bounds, or made it crash."""
    return Refused(
        "image_unreadable",
        "The image takes more time or memory to decode than any that is taken.",
    )


def animated() -> Refused:
    """The file holds several pictures."""
    return unsupported("The image is animated or has several pages; send one frame.")


def check_size(width: int, height: int) -> None:
    """Raises `Refused` where a picture of this size in pixels is not taken."""
    if width * height > MAX_PIXELS:
        raise Refused(
            "image_too_large",
            f"The image has {width} x {height} pixels; at most {MAX_PIXELS} (50 megapixels).",
        )
    if min(width, height) < MIN_SIDE:
        raise Refused(
            "image_unreadable",
            f"The image has {width} x {height} pixels; each side must have at least {MIN_SIDE}.",
        )
    if max(width, height) > MAX_RATIO * min(width, height):
        raise Refused(
            "image_unreadable",
            f"The image has {width} x {height} pixels; one side may be at most {MAX_RATIO} times "
            "as long as the other.",
        )


def check_profile(size: int) -> None:
    """Raises `Refused` for a colour profile of too many bytes."""
    if size > MAX_METADATA_BYTES:
        raise Refused(
            "image_unreadable",
            f"The colour profile has more than {MAX_METADATA_BYTES} bytes (1 MiB).",
        )
