"""sRGB pixels to file bytes. The same pixels and provenance always give the same bytes."""

import io
import struct
import zlib
from functools import cache

import cv2
import numpy as np
from imagerift_contract.values import OutputFormat
from numpy.typing import NDArray
from PIL import Image, ImageCms

from imagerift_vision.provenance import Provenance

# Grainy photographs hold no repeats to search for: run lengths alone give files as small as a full
# search in a third of the time.
PNG_OPTIONS = (
    cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE,
)  # fmt: skip
# Signature and IHDR; ancillary chunks follow them.
PNG_HEAD = 8 + 25
JPEG_QUALITY = 93
WEBP_QUALITY = 92
AVIF_QUALITY = 85
# Of 0 to 10: at 8 a picture of base size takes a third of a second.
AVIF_SPEED = 8
ROWS_AT_ONCE = 256
RELATIVE_COLORIMETRIC = b"\x01"
# An ICC header's creation date (offset 24) and profile id (84) change with the clock.
ICC_DATE = slice(24, 36)
ICC_ID = slice(84, 100)


def encode(pixels: NDArray[np.uint8], output_format: OutputFormat, provenance: Provenance) -> bytes:
    """Encode [H, W, 3] sRGB pixels, or [H, W, 4] with straight alpha.

    JPEG has no alpha: there, the picture is laid on white. The file carries the provenance and a
    mark of sRGB, and nothing of the source's metadata.
    """
    if output_format == "png":
        return _png(pixels, provenance)
    image = Image.fromarray(pixels)
    out = io.BytesIO()
    xmp = provenance.as_xmp()
    if output_format == "jpeg":
        image = Image.fromarray(on_white(pixels))
        image.save(
            out,
            "JPEG",
            quality=JPEG_QUALITY,
            subsampling=0,
            optimize=True,
            icc_profile=srgb_profile(),
            xmp=xmp,
        )
    elif output_format == "avif":
        image.save(
            out,
            "AVIF",
            quality=AVIF_QUALITY,
            subsampling="4:4:4",
            speed=AVIF_SPEED,
            # Tiles and threads would make the bytes depend on the machine.
            max_threads=1,
            icc_profile=srgb_profile(),
            xmp=xmp,
        )
    else:
        image.save(out, "WEBP", quality=WEBP_QUALITY, method=4, icc_profile=srgb_profile(), xmp=xmp)
    return out.getvalue()


def on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[H, W, 3] pixels as they are, [H, W, 4] shown on white."""
    if pixels.shape[2] == 3:
        return pixels
    if int(pixels[..., 3].min()) == 255:
        return np.ascontiguousarray(pixels[..., :3])
    shown = np.empty((*pixels.shape[:2], 3), np.uint8)
    # A band at a time: in floats, a large picture would be four times as large.
    for top in range(0, len(pixels), ROWS_AT_ONCE):
        band = pixels[top : top + ROWS_AT_ONCE].astype(np.float32)
        share = band[..., 3:] / 255
        shown[top : top + ROWS_AT_ONCE] = band[..., :3] * share + 255 * (1 - share) + 0.5
    return shown


@cache
def srgb_profile() -> bytes:
    """An ICC profile of sRGB whose bytes do not depend on when it is made."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[ICC_DATE] = bytes(ICC_DATE.stop - ICC_DATE.start)
    profile[ICC_ID] = bytes(ICC_ID.stop - ICC_ID.start)
    return bytes(profile)


def _png(pixels: NDArray[np.uint8], provenance: Provenance) -> bytes:
    turn = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    _, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, turn), PNG_OPTIONS)
    plain = encoded.tobytes()
    chunks = [_chunk(b"sRGB", RELATIVE_COLORIMETRIC)]
    for keyword, text in provenance.as_text().items():
        chunks.append(
            _chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode("latin-1", "replace"))
        )
    # Keyword, uncompressed, no language, no translated keyword, text.
    head = b"XML:com.adobe.xmp\0" + b"\0\0" + b"\0" + b"\0"
    chunks.append(_chunk(b"iTXt", head + provenance.as_xmp()))
    return plain[:PNG_HEAD] + b"".join(chunks) + plain[PNG_HEAD:]


def _chunk(name: bytes, body: bytes) -> bytes:
    """A PNG chunk (section 5.3 of the PNG specification)."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
