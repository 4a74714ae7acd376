"""Small pictures of every kind, made in memory."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image


def picture(mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A picture with some detail, so that its file has many bytes to damage."""
    grey = Image.linear_gradient("L").resize(size)
    if mode == "P":
        return grey.convert("P")
    if mode == "I;16":
        wide = Image.new("I;16", size)
        wide.paste(1234, (0, 0, size[0] // 2, size[1]))
        return wide
    noise = Image.effect_noise(size, 60)
    return Image.merge("RGB", (grey, noise, grey.rotate(90).resize(size))).convert(mode)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def animated(kind: str) -> bytes:
    frames = [picture().rotate(angle) for angle in (90, 180)]
    return encode(picture(), kind, save_all=True, append_images=frames)


def chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def png_with(before_pixels: bytes = b"", after_pixels: bytes = b"") -> bytes:
    """A good PNG with chunks of the test's own."""
    plain = encode(picture(), "PNG")
    header_end = 8 + 25
    end = plain.rindex(b"IEND") - 4
    return plain[:header_end] + before_pixels + plain[header_end:end] + after_pixels + plain[end:]


def webp_with(behind: bytes) -> bytes:
    """A good WebP with chunks of the test's own behind its picture."""
    body = encode(picture(), "WEBP")[8:] + behind
    return b"RIFF" + struct.pack("<I", len(body)) + body


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header claims this size, with a few pixels' worth of data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def webp_of_size(width: int, height: int) -> bytes:
    """A WebP whose extended header claims this canvas."""
    plain = encode(picture(), "WEBP", lossless=True)
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + canvas
    body = b"WEBP" + extended + plain[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG whose frame header claims this size."""
    data = bytearray(encode(picture(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def multi_picture_jpeg() -> bytes:
    """A JPEG with a second picture behind it, as cameras and phones write them."""
    return encode(picture(), "MPO", save_all=True, append_images=[picture(size=(32, 24))])
