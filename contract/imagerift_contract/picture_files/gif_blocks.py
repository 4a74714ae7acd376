"""Walks the blocks of a GIF without making pixels (GIF89a specification)."""

from __future__ import annotations

from .rules import MAX_METADATA_BYTES, check_size

_SCREEN_END = 13
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B


def check_gif(data: bytes) -> None:
    """Checks the first frame's size and the bytes of text and other extensions before it.

    What comes behind it is not read: the picture is the first frame.

    Raises `Refused`, or `ValueError` for a damaged file.
    """
    width, height = _pair(data, 6)
    offset = _SCREEN_END + _table_bytes(data[10])
    left = MAX_METADATA_BYTES
    while offset < len(data) and data[offset] != _TRAILER:
        if data[offset] == _EXTENSION:
            start = offset + 2
            offset = _behind_parts(data, start)
            left -= offset - start
            if left < 0:
                raise ValueError("too much text")
        elif data[offset] == _IMAGE:
            right, below, wide, high = *_pair(data, offset + 1), *_pair(data, offset + 5)
            # Decoders make the canvas as large as the frame needs.
            check_size(max(width, right + wide), max(height, below + high))
            return
        else:
            # Encoders leave odd bytes between blocks; decoders skip them.
            offset += 1
    raise ValueError("no picture")


def _pair(data: bytes, at: int) -> tuple[int, int]:
    if len(data) < at + 4:
        raise ValueError("cut off")
    return int.from_bytes(data[at : at + 2], "little"), int.from_bytes(
        data[at + 2 : at + 4], "little"
    )


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_parts(data: bytes, offset: int) -> int:
    """Where a chain of parts ends, each with its length before it and an empty one last."""
    while offset < len(data) and data[offset]:
        offset += 1 + data[offset]
    return offset + 1
