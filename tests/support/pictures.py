"""Small pictures for tests, good and bad, made on the spot."""

from __future__ import annotations

import base64
import io
import struct
import zlib

from PIL import Image


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def picture(kind: str = "JPEG", size: tuple[int, int] = (64, 48)) -> bytes:
    """A noisy picture, so that half of its file is half of its pixels."""
    noise = Image.effect_noise(size, 80).convert("RGB")
    target = io.BytesIO()
    noise.save(target, kind)
    return target.getvalue()


def animation(kind: str = "WEBP") -> bytes:
    frames = [Image.effect_noise((32, 32), 60 + n).convert("RGB") for n in range(3)]
    target = io.BytesIO()
    frames[0].save(target, kind, save_all=True, append_images=frames[1:], duration=50)
    return target.getvalue()


def huge_png(width: int = 50_000, height: int = 50_000) -> bytes:
    """A few hundred bytes that claim to be a picture of `width` x `height` pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )
