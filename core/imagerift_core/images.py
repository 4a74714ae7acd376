"""Checks a source picture before anything is stored: its header first, then its whole length."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

from PIL import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from imagerift_core.errors import (
    DomainError,
    ImageTooLarge,
    ImageUnreadable,
    PayloadTooLarge,
    UnsupportedImage,
)
from imagerift_core.png_chunks import check_chunks

MAX_IMAGE_BYTES = 20 * 1024 * 1024
MAX_IMAGE_PIXELS = 50_000_000
MAX_METADATA_BYTES = 1024 * 1024
# Pillow's own `open` is not used: it warns of large pictures, which cannot be filtered for one
# of several threads, and takes a photo with a depth or gain map behind it for an animation.
_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "image/jpeg": JpegImageFile,
    "image/png": PngImageFile,
    "image/webp": WebPImageFile,
}


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
    the model. Colour profile and PNG text may have 1 MiB once inflated.

    Raises `PayloadTooLarge`, `UnsupportedImage`, `ImageTooLarge` or `ImageUnreadable`.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise PayloadTooLarge(
            f"The image has {len(data)} bytes; at most {MAX_IMAGE_BYTES} (20 MiB).", param=param
        )
    content_type = _content_type(data, param)
    try:
        if content_type == "image/webp":
            # Its reader makes the canvas when it opens.
            _check_size(_webp_size(data), param)
        with _READERS[content_type](io.BytesIO(data)) as image:
            width, height = image.size
            _check_size(image.size, param)
            _check_header(image, param)
            _walk(image, data)
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


def _check_header(image: ImageFile.ImageFile, param: str) -> None:
    if getattr(image, "n_frames", 1) > 1:
        raise UnsupportedImage("The image is animated; send one frame.", param=param)
    if len(image.info.get("icc_profile") or b"") > MAX_METADATA_BYTES:
        raise ImageUnreadable(
            f"The colour profile has more than {MAX_METADATA_BYTES} bytes (1 MiB).", param=param
        )


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from a WebP's first chunk (RFC 9649, sections 2.5 to 2.7).

    Raises `ValueError` for a file that is cut off or has no such chunk.
    """
    declared = int.from_bytes(data[4:8], "little") + 8
    if len(data) < max(declared, 30):
        raise ValueError("cut off")
    first = data[12:16]
    if first == b"VP8X":
        return (
            int.from_bytes(data[24:27], "little") + 1,
            int.from_bytes(data[27:30], "little") + 1,
        )
    if first == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if first == b"VP8 ":
        width, height = (int.from_bytes(data[at : at + 2], "little") for at in (26, 28))
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("no picture")


def _walk(image: ImageFile.ImageFile, data: bytes) -> None:
    if isinstance(image, PngImageFile):
        check_chunks(data, max_metadata_bytes=MAX_METADATA_BYTES)
        image.verify()
        return
    if isinstance(image, JpegImageFile):
        width, height = image.size
        image.draft(image.mode, (max(1, width // 8), max(1, height // 8)))
    image.load()
