"""Checks a source picture before anything is stored, by the models' own rules."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import asdict, dataclass
from typing import Any

from imagerift_contract.picture_files.opening import OpenedPicture, open_picture
from imagerift_contract.picture_files.rules import MAX_BYTES, Kind, Refused
from imagerift_contract.picture_files.transparency import alpha_of

from imagerift_core.errors import (
    DomainError,
    ImageTooLarge,
    ImageUnreadable,
    PayloadTooLarge,
    UnsupportedImage,
)

MAX_IMAGE_BYTES = MAX_BYTES
# Decoders of WebP and AVIF take some 16 bytes a pixel: 200 MB.
MAX_DECODED_PIXELS = 12_500_000
_ERRORS: dict[str, type[DomainError]] = {
    "unsupported_image": UnsupportedImage,
    "image_unreadable": ImageUnreadable,
    "image_too_large": ImageTooLarge,
}


@dataclass(frozen=True)
class InspectedImage:
    """A picture that can be read: `width` and `height` in pixels as stored, `sha256` in hex."""

    content_type: str
    width: int
    height: int
    sha256: str


def inspect_image(data: bytes, *, param: str) -> InspectedImage:
    """Reads a picture as the models will, or says why it cannot be used.

    Size and frames are read from the header, so a picture over the limit costs no memory. Then it
    is decoded: a JPEG at an eighth of its size, another of up to 12.5 megapixels whole. Of a
    larger one the container alone is walked: should its pixels be wrong, the model finds it.

    Raises `PayloadTooLarge`, `UnsupportedImage`, `ImageTooLarge` or `ImageUnreadable`.
    """
    check_length(data, param=param)
    try:
        return _inspected(data)
    except Refused as refusal:
        raise refused(refusal, param=param) from refusal


def check_length(data: bytes, *, param: str) -> None:
    """Raises `PayloadTooLarge`."""
    if len(data) > MAX_IMAGE_BYTES:
        raise PayloadTooLarge(
            f"The image has {len(data)} bytes; at most {MAX_IMAGE_BYTES} (20 MiB).", param=param
        )


def refused(refusal: Refused, *, param: str) -> DomainError:
    """The refusal as the error that clients see."""
    return _ERRORS[refusal.code](refusal.message, param=param)


def tell(data: bytes, arguments: dict[str, Any], _result: int) -> dict[str, Any]:
    """`inspect_image` in a process of its own (a `Work`), of pictures of the given `lengths` that
    stand one behind another in `data`: what it gives of each, or the refusal."""
    ends = itertools.accumulate(arguments["lengths"])
    return {"told": [_told(data[begin:end]) for begin, end in itertools.pairwise([0, *ends])]}


def _told(data: bytes) -> dict[str, Any]:
    try:
        return {"image": asdict(_inspected(data))}
    except Refused as refusal:
        return {"refused": asdict(refusal)}


def _inspected(data: bytes) -> InspectedImage:
    opened = open_picture(data)
    width, height = opened.image.size
    _decode(opened)
    return InspectedImage(opened.kind, width, height, hashlib.sha256(data).hexdigest())


def _decode(opened: OpenedPicture) -> None:
    width, height = opened.image.size
    if opened.kind is Kind.JPEG:
        opened.load(max(1, min(width, height) // 8))
    elif width * height <= MAX_DECODED_PIXELS:
        alpha_of(opened, opened.load())
