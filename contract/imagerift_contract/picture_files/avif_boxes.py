"""Reads an AVIF's boxes without making pixels (AV1's own binding to ISO 23008-12).

The box that tells the size is not what the decoder allocates by: that is AV1's sequence header,
so every coded picture's is looked at.
"""

from __future__ import annotations

from .bit_reader import BitReader
from .item_boxes import read_items
from .rules import check_size
from .tiff_tags import check_exif

_SEQUENCE_HEADER = 1
_MAX_UNITS = 16


def check_avif(data: bytes) -> None:
    """Raises `Refused` or `ValueError` where a decoder would need too much."""
    items = read_items(data)
    if b"av01" not in items.kinds.values():
        raise ValueError("no AV1 picture")
    for item, kind in items.kinds.items():
        if kind == b"Exif":
            # Four bytes say how far it is to the TIFF header.
            body = items.body(item)
            check_exif(body[4 + int.from_bytes(body[:4]) :])
        elif kind == b"av01":
            check_size(*_coded_size(items.body(item)[:4096]))


def code_points_of(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer (ITU-T H.273); None where the boxes do not tell."""
    found = None
    for name, start, end in read_items(data).properties:
        if name == b"colr" and data[start : start + 4] == b"nclx" and end - start >= 11:
            found = (
                int.from_bytes(data[start + 4 : start + 6]),
                int.from_bytes(data[start + 6 : start + 8]),
            )
    return found


def _coded_size(data: bytes) -> tuple[int, int]:
    """Width and height from the sequence header (AV1 specification, 5.3 and 5.5)."""
    offset = 0
    for _ in range(_MAX_UNITS):
        if offset >= len(data):
            break
        head = data[offset]
        offset += 2 if head & 4 else 1
        size = len(data) - offset
        if head & 2:
            size, shift = 0, 0
            while True:
                size |= (data[offset] & 127) << shift
                shift += 7
                offset += 1
                if not data[offset - 1] & 128 or shift > 28:
                    break
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            return _sequence_size(BitReader(data[offset : offset + min(size, 64)]))
        offset += size
    raise ValueError("no sequence header")


def _sequence_size(bits: BitReader) -> tuple[int, int]:
    bits.take(4)
    if bits.take(1):
        bits.take(5)
    else:
        if bits.take(1):
            raise ValueError("a sequence with timing")
        delays = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if delays and bits.take(1):
                bits.take(4)
    wide, high = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(wide) + 1, bits.take(high) + 1
