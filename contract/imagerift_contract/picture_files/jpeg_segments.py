"""Walks the segments before a JPEG's pixels (ITU-T T.81, annex B)."""

from __future__ import annotations

from .tiff_tags import check_exif

_EXIF = b"\xff\xe1"
_EXIF_NAME = b"Exif\0\0"
_START_OF_SCAN = b"\xff\xda"
_MAX_SEGMENTS = 2_000


def check_segments(data: bytes) -> None:
    """Raises `ValueError` for more segments than any camera writes, or EXIF that claims too much.

    Each costs a reader time and memory. Whether they are right is for the reader to say.
    """
    exif = b""
    offset = 2
    for _ in range(_MAX_SEGMENTS):
        marker = data[offset : offset + 2]
        if marker[:1] != b"\xff" or marker == _START_OF_SCAN:
            break
        end = offset + 2 + int.from_bytes(data[offset + 2 : offset + 4])
        if marker == _EXIF and data.startswith(_EXIF_NAME, offset + 4):
            # Readers join what is split.
            exif += data[offset + 10 : end]
        offset = end
    else:
        raise ValueError("too many segments")
    check_exif(exif)
