"""Reads an AVIF's boxes without making pixels (ISO 14496-12, ISO 23008-12, AV1's own binding).

The box that tells the size is not what the decoder allocates by: that is AV1's sequence header,
so every coded picture's is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .rules import check_profile, check_size
from .tiff_tags import check_exif

_MAX_BOXES = 2_000
_MAX_ITEMS = 256
_SEQUENCE_HEADER = 1
_MAX_UNITS = 16


@dataclass
class _Meta:
    kinds: dict[int, bytes] = field(default_factory=dict)
    locations: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Where each item lies: start and length in the file."""
    code_points: tuple[int, int] | None = None


def check_avif(data: bytes) -> None:
    """Raises `Refused` or `ValueError` where a decoder would need too much."""
    meta = _read(data)
    if b"av01" not in meta.kinds.values():
        raise ValueError("no AV1 picture")
    for item, kind in meta.kinds.items():
        parts = meta.locations.get(item, [])
        if kind == b"Exif":
            # Four bytes say how far it is to the TIFF header.
            body = b"".join(data[at : at + length] for at, length in parts)
            check_exif(body[4 + int.from_bytes(body[:4]) :])
        elif kind == b"av01":
            if not parts:
                raise ValueError("a picture without bytes")
            at, length = parts[0]
            check_size(*_coded_size(data[at : min(at + length, at + 4096)]))


def code_points_of(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer (ITU-T H.273); None where the boxes do not tell."""
    return _read(data).code_points


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of each box's content."""
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, head = int.from_bytes(data[start : start + 4]), 8
        name = data[start + 4 : start + 8]
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16]), 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            raise ValueError("a box is cut off")
        yield name, start + head, start + size
        start += size
    raise ValueError("too many boxes")


def _read(data: bytes) -> _Meta:
    meta = _Meta()
    for name, start, end in _boxes(data, 0, len(data)):
        if name == b"meta":
            # Version and flags come first, here and in what is read below.
            for inner, at, stop in _boxes(data, start + 4, end):
                if inner == b"iinf":
                    _read_kinds(data, at, stop, meta)
                elif inner == b"iloc":
                    _read_locations(data[at:stop], meta)
                elif inner == b"iprp":
                    _read_colours(data, at, stop, meta)
            return meta
    raise ValueError("no meta box")


def _read_kinds(data: bytes, at: int, stop: int, meta: _Meta) -> None:
    first = at + (6 if data[at] == 0 else 8)
    for name, start, _ in _boxes(data, first, stop):
        if name == b"infe":
            wide = 4 if data[start] == 3 else 2
            item = int.from_bytes(data[start + 4 : start + 4 + wide])
            meta.kinds[item] = data[start + 6 + wide : start + 10 + wide]
    if len(meta.kinds) > _MAX_ITEMS:
        raise ValueError("too many items")


def _read_locations(body: bytes, meta: _Meta) -> None:
    version = body[0]
    offset_bytes, length_bytes = body[4] >> 4, body[4] & 15
    base_bytes, index_bytes = body[5] >> 4, body[5] & 15 if version else 0
    cursor = 6

    def take(size: int) -> int:
        nonlocal cursor
        cursor += size
        if cursor > len(body):
            raise ValueError("locations are cut off")
        return int.from_bytes(body[cursor - size : cursor])

    wide = 4 if version == 2 else 2
    for _ in range(min(take(wide), _MAX_ITEMS)):
        item = take(wide)
        inside = take(2) & 15 if version else 0
        take(2)
        base = take(base_bytes)
        parts = []
        for _ in range(min(take(2), _MAX_ITEMS)):
            take(index_bytes)
            offset = base + take(offset_bytes)
            parts.append((offset, take(length_bytes)))
        # Pictures lie in the file itself; what lies in the box is small.
        meta.locations[item] = [] if inside else parts


def _read_colours(data: bytes, at: int, stop: int, meta: _Meta) -> None:
    for name, start, end in _boxes(data, at, stop):
        if name == b"ipco":
            for inner, offset, until in _boxes(data, start, end):
                if inner != b"colr":
                    continue
                if data[offset : offset + 4] in {b"prof", b"rICC"}:
                    check_profile(until - offset - 4)
                elif data[offset : offset + 4] == b"nclx" and until - offset >= 11:
                    meta.code_points = (
                        int.from_bytes(data[offset + 4 : offset + 6]),
                        int.from_bytes(data[offset + 6 : offset + 8]),
                    )


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
            return _sequence_size(data[offset : offset + size])
        offset += size
    raise ValueError("no sequence header")


def _sequence_size(body: bytes) -> tuple[int, int]:
    bits = int.from_bytes(body[:64].ljust(64, b"\0"))
    offset = 0

    def take(count: int) -> int:
        nonlocal offset
        offset += count
        return bits >> 512 - offset & (1 << count) - 1

    take(4)
    if take(1):
        take(5)
    else:
        if take(1):
            raise ValueError("a sequence with timing")
        delays = take(1)
        for _ in range(take(5) + 1):
            take(12)
            if take(5) > 7:
                take(1)
            if delays and take(1):
                take(4)
    wide, high = take(4) + 1, take(4) + 1
    return take(wide) + 1, take(high) + 1
