"""Walks the segments before a JPEG's pixels (ITU-T T.81, annex B)."""

from __future__ import annotations

_START_OF_SCAN = b"\xff\xda"
_MAX_SEGMENTS = 2_000


def check_segments(data: bytes) -> None:
    """Raises `ValueError` where there are more segments than any camera writes.

    Each costs a reader time and memory. Whether they are right is for the reader to say.
    """
    place = 2
    for _ in range(_MAX_SEGMENTS):
        marker = data[place : place + 2]
        if marker[:1] != b"\xff" or marker == _START_OF_SCAN:
            return
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    raise ValueError("too many segments")
