"""Checks a source picture before anything is stored: its header first, then its whole length."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from imagerift_core.errors import (
    DomainError,
    ImageTooLarge,
    ImageUnreadable,
    PayloadTooLarge,
    UnsupportedImage,
)

MAX_IMAGE_BYTES = 20 * 1024 * 1024
MAX_IMAGE_PIXELS = 50_000_000
CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_WEBP_HEADER_BYTES = 12

# Our own limit is checked from the header. Pillow's would warn, and warnings can only be
# filtered for the whole process, not for one of several threads that inspect at once.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class InspectedImage:
    """A picture that can be read: `width` and `height` in pixels as stored, `sha256` in hex."""

    content_type: str
    width: int
    height: int
    sha256: str


def inspect_image(data: bytes, *, param: str) -> InspectedImage:
    """Reads a JPEG, PNG or WebP of one frame, or says why it cannot be used.

    Size and frames are read from the header, so a picture over the limit costs no memory.
    Then the whole file is walked: JPEG decoded at an eighth of its size, PNG by its chunk
    checksums, WebP decoded. A PNG with right checksums over wrong pixels is found later, by
    the model.

    Raises `PayloadTooLarge`, `UnsupportedImage`, `ImageTooLarge` or `ImageUnreadable`.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise PayloadTooLarge(
            f"The image has {len(data)} bytes; at most {MAX_IMAGE_BYTES} (20 MiB).", param=param
        )
    try:
        with Image.open(io.BytesIO(data), formats=list(CONTENT_TYPES)) as image:
            _check_header(image, data, param)
            width, height = image.size
            content_type = CONTENT_TYPES[str(image.format)]
            _walk(image, data)
    except DomainError:
        raise
    except UnidentifiedImageError as error:
        raise _unidentified(data, param) from error
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        MemoryError,
        IndexError,
        TypeError,
    ) as error:
        raise ImageUnreadable(
            "The image is damaged or cut off before its end.", param=param
        ) from error
    return InspectedImage(content_type, width, height, hashlib.sha256(data).hexdigest())


def _check_header(image: Image.Image, data: bytes, param: str) -> None:
    width, height = image.size
    if width * height > MAX_IMAGE_PIXELS:
        raise ImageTooLarge(
            f"The image has {width} x {height} pixels; at most {MAX_IMAGE_PIXELS} (50 megapixels).",
            param=param,
        )
    if getattr(image, "n_frames", 1) > 1:
        raise UnsupportedImage("The image is animated; send one frame.", param=param)
    if image.format == "WEBP":
        declared = int.from_bytes(data[4:8], "little") + 8
        if len(data) < declared:
            raise ImageUnreadable("The image is damaged or cut off before its end.", param=param)


def _walk(image: Image.Image, data: bytes) -> None:
    if image.format == "PNG":
        if b"IEND" not in data[-64:]:
            raise ValueError("no end chunk")
        image.verify()
        return
    if image.format == "JPEG":
        width, height = image.size
        image.draft(image.mode, (max(1, width // 8), max(1, height // 8)))
    image.load()


def _unidentified(data: bytes, param: str) -> DomainError:
    """Tells a file of another kind from a damaged one of a kind that is taken."""
    known = data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (
        data[:4] == b"RIFF" and data[8:_WEBP_HEADER_BYTES] == b"WEBP"
    )
    if known:
        return ImageUnreadable("The image is damaged or cut off before its end.", param=param)
    return UnsupportedImage("The image must be a JPEG, PNG or WebP file.", param=param)
