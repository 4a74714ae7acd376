"""Checks a source picture before anything is stored: its header first, then its whole length."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from imagerift_core.errors import (
    DomainError,
    ImageTooLarge,
    ImageUnreadable,
    PayloadTooLarge,
    UnsupportedImage,
)
from imagerift_core.jpeg_segments import check_segments
from imagerift_core.png_chunks import check_chunks, png_size
from imagerift_core.webp_chunks import read_header

MAX_IMAGE_BYTES = 20 * 1024 * 1024
MAX_IMAGE_PIXELS = 50_000_000
MAX_METADATA_BYTES = 1024 * 1024
# Nothing can be recognised in less; the models refuse it too.
MIN_IMAGE_SIDE = 16


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
    Then the whole file is walked: JPEG decoded at an eighth of its size, PNG by its chunks'
    checksums, WebP by its chunks' sizes (its decoder takes 15 bytes a pixel). A PNG or WebP
    that is whole but has wrong pixels is found later, by the model. Colour profile and PNG
    text may have 1 MiB once inflated.

    Raises `PayloadTooLarge`, `UnsupportedImage`, `ImageTooLarge` or `ImageUnreadable`.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise PayloadTooLarge(
            f"The image has {len(data)} bytes; at most {MAX_IMAGE_BYTES} (20 MiB).", param=param
        )
    content_type = _content_type(data, param)
    try:
        width, height = _READERS[content_type](data, param)
    except DomainError:
        raise
    except Exception as error:
        # Parsers of hostile bytes raise anything.
        raise ImageUnreadable(
            "The image is damaged or cut off before its end.", param=param
        ) from error
    return InspectedImage(content_type, width, height, hashlib.sha256(data).hexdigest())


def _content_type(data: bytes, param: str) -> str:
    """The kind that the first bytes say, whatever the file was named."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise UnsupportedImage("The image must be a JPEG, PNG or WebP file.", param=param)


def _check_size(size: tuple[int, int], param: str) -> None:
    width, height = size
    if width * height > MAX_IMAGE_PIXELS:
        raise ImageTooLarge(
            f"The image has {width} x {height} pixels; at most {MAX_IMAGE_PIXELS} (50 megapixels).",
            param=param,
        )
    if min(width, height) < MIN_IMAGE_SIDE:
        raise ImageUnreadable(
            f"The image has {width} x {height} pixels; each side must have at least "
            f"{MIN_IMAGE_SIDE}.",
            param=param,
        )


def _check_frames(frames: int, param: str) -> None:
    if frames > 1:
        raise UnsupportedImage("The image is animated; send one frame.", param=param)


def _check_profile(size: int, param: str) -> None:
    if size > MAX_METADATA_BYTES:
        raise ImageUnreadable(
            f"The colour profile has more than {MAX_METADATA_BYTES} bytes (1 MiB).", param=param
        )


def _read_jpeg(data: bytes, param: str) -> tuple[int, int]:
    check_segments(data)
    with JpegImageFile(io.BytesIO(data)) as image:
        width, height = image.size
        _check_size((width, height), param)
        _check_profile(len(image.info.get("icc_profile") or b""), param)
        image.draft(image.mode, (max(1, width // 8), max(1, height // 8)))
        image.load()
    return width, height


def _read_png(data: bytes, param: str) -> tuple[int, int]:
    _check_size(png_size(data), param)
    check_chunks(data, max_metadata_bytes=MAX_METADATA_BYTES)
    with PngImageFile(io.BytesIO(data)) as image:
        _check_frames(image.n_frames, param)
        size = image.size
        image.verify()
    return size


def _read_webp(data: bytes, param: str) -> tuple[int, int]:
    header = read_header(data)
    size = header.width, header.height
    _check_size(size, param)
    _check_frames(header.frames, param)
    _check_profile(header.profile_bytes, param)
    return size


# Pillow's own `open` is not used: it warns of large pictures, which cannot be filtered for one
# of several threads, and takes a photo with a depth or gain map behind it for an animation.
_READERS: dict[str, Callable[[bytes, str], tuple[int, int]]] = {
    "image/jpeg": _read_jpeg,
    "image/png": _read_png,
    "image/webp": _read_webp,
}
