"""Walks the chunks of a PNG without making pixels (W3C Portable Network Graphics, section 5)."""

from __future__ import annotations

import zlib

_SIGNATURE_BYTES = 8
# Length, type and checksum.
_FRAME_BYTES = 12
# 20 MiB in the smallest pieces that encoders write are some 5,000; each costs a reader time.
_MAX_CHUNKS = 50_000


def check_chunks(data: bytes, *, max_metadata_bytes: int) -> None:
    """Checks every chunk's checksum up to the end chunk, and what its metadata inflates to.

    Bytes behind the end chunk are ignored, as every decoder does. At most
    `max_metadata_bytes` are ever inflated.

    Raises `ValueError` for a damaged or missing chunk, for too many of them, and where colour
    profile and text together hold more than `max_metadata_bytes`.
    """
    view = memoryview(data)
    offset = _SIGNATURE_BYTES
    name = b""
    left = max_metadata_bytes
    chunks = 0
    while name != b"IEND":
        if len(data) < offset + _FRAME_BYTES:
            raise ValueError("no end chunk")
        length = int.from_bytes(view[offset : offset + 4])
        checksum_at = offset + 8 + length
        if len(data) < checksum_at + 4:
            raise ValueError("a chunk is cut off")
        checksum = int.from_bytes(view[checksum_at : checksum_at + 4])
        if zlib.crc32(view[offset + 4 : checksum_at]) != checksum:
            raise ValueError("a chunk is damaged")
        name = bytes(view[offset + 4 : offset + 8])
        left -= _metadata_bytes(name, view[offset + 8 : checksum_at], left)
        if left < 0:
            raise ValueError("too much colour profile or text")
        offset = checksum_at + 4
        chunks += 1
        if chunks > _MAX_CHUNKS:
            raise ValueError("too many chunks")


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels. Raises `ValueError` where the header is not the first chunk."""
    if data[12:16] != b"IHDR" or len(data) < 26:
        raise ValueError("no header")
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def sample_bits(data: bytes) -> int:
    """Bits of a sample, or of a palette's index, of a PNG whose header was checked."""
    return data[24]


def has_grey_alpha(data: bytes) -> bool:
    """Whether the pixels of a PNG whose header was checked are grey with alpha."""
    return data[25] == 4


def chunks_before_pixels(data: bytes) -> dict[bytes, bytes]:
    """The last of each chunk that stands before the pixels of a PNG whose chunks were checked."""
    found = {}
    offset = _SIGNATURE_BYTES
    while (name := data[offset + 4 : offset + 8]) != b"IDAT" and len(name) == 4:
        length = int.from_bytes(data[offset : offset + 4])
        found[name] = data[offset + 8 : offset + 8 + length]
        offset += _FRAME_BYTES + length
    return found


def _metadata_bytes(name: bytes, body: memoryview, left: int) -> int:
    """Bytes of profile or text in the chunk once inflated; counted up to `left` + 1."""
    if name == b"tEXt":
        return len(body)
    if name in {b"zTXt", b"iCCP"}:
        # A name, its end, and one byte for the method.
        _, _, rest = bytes(body).partition(b"\0")
        return _inflated_bytes(rest[1:], left)
    if name == b"iTXt":
        _, _, rest = bytes(body).partition(b"\0")
        if rest[:1] != b"\1":
            return len(body)
        # Flag, method, language, translated name; then the text.
        parts = rest[2:].split(b"\0", 2)
        return _inflated_bytes(parts[2], left) if len(parts) == 3 else len(body)
    return 0


def _inflated_bytes(compressed: bytes, left: int) -> int:
    try:
        return len(zlib.decompressobj().decompress(compressed, left + 1))
    except zlib.error:
        # Decoders drop such a chunk.
        return 0
