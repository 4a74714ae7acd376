"""Reads a WebP's container without making pixels (RFC 9649, section 2)."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST_CHUNK = 12
_MAX_CHUNKS = 10_000


@dataclass(frozen=True)
class WebpHeader:
    """Width and height in pixels, number of frames, bytes of colour profile."""

    width: int
    height: int
    frames: int
    profile_bytes: int


def read_header(data: bytes) -> WebpHeader:
    """Raises `ValueError` for a file that is cut off or holds no picture."""
    end = int.from_bytes(data[4:8], "little") + 8
    if len(data) < end:
        raise ValueError("cut off")
    size: tuple[int, int] | None = None
    still = frames = profile_bytes = 0
    offset = _FIRST_CHUNK
    for _ in range(_MAX_CHUNKS):
        if offset + 8 > end:
            break
        name = data[offset : offset + 4]
        length = int.from_bytes(data[offset + 4 : offset + 8], "little")
        if offset + 8 + length > end:
            raise ValueError("a chunk is cut off")
        body = data[offset + 8 : offset + 8 + min(length, 16)]
        if name == b"VP8X" and size is None:
            size = _canvas_size(body)
        elif name in {b"VP8 ", b"VP8L"}:
            picture_size = _lossy_size(body) if name == b"VP8 " else _lossless_size(body)
            size = size or picture_size
            still = 1
        elif name == b"ANMF":
            frames += 1
        elif name == b"ICCP":
            profile_bytes += length
        # Chunks lie at even places.
        offset += 8 + length + length % 2
    else:
        raise ValueError("too many chunks")
    if size is None or not still + frames:
        raise ValueError("no picture")
    return WebpHeader(*size, max(still, frames), profile_bytes)


def _canvas_size(body: bytes) -> tuple[int, int]:
    if len(body) < 10:
        raise ValueError("cut off")
    return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1


def _lossy_size(body: bytes) -> tuple[int, int]:
    """From the frame header of VP8 (RFC 6386, section 9.1)."""
    if body[3:6] != b"\x9d\x01\x2a" or len(body) < 10:
        raise ValueError("no key frame")
    width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return width, height


def _lossless_size(body: bytes) -> tuple[int, int]:
    if body[:1] != b"\x2f" or len(body) < 5:
        raise ValueError("no lossless picture")
    bits = int.from_bytes(body[1:5], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
