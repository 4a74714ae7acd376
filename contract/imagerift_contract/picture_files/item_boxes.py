"""Reads the boxes of a picture in an ISO base media file (ISO 14496-12, ISO 23008-12).

AVIF and HEIC are such files: items (pictures, tiles of one, EXIF), properties that they share, and
references from one to another. A small file can let a thousand items name the same bytes, so all
is counted before it is followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .rules import MAX_BYTES, check_profile

_MAX_BOXES = 4_000
# A photo of 48 megapixels has 192 tiles, and as many again for its depth and gain maps.
_MAX_ITEMS = 2_000
_MAX_ENTRIES = 20_000
_PROFILES = {b"prof", b"rICC"}


@dataclass
class Items:
    """What the file's `meta` box tells."""

    data: bytes
    primary: int | None = None
    kinds: dict[int, bytes] = field(default_factory=dict)
    locations: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Where each item lies: starts and lengths in the file."""
    properties: list[tuple[bytes, int, int]] = field(default_factory=list)
    """Type, start and end of each property's content."""
    associations: dict[int, list[int]] = field(default_factory=dict)
    """Which properties each item has, counted from 0."""
    references: list[tuple[bytes, int, list[int]]] = field(default_factory=list)
    """Type, from which item, to which."""

    def length(self, item: int) -> int:
        return sum(length for _, length in self.locations.get(item, []))

    def body(self, item: int) -> bytes:
        """Its bytes. Raises `ValueError` where the file ends before them."""
        parts = self.locations.get(item, [])
        if any(at + length > len(self.data) for at, length in parts):
            raise ValueError("an item is cut off")
        return b"".join(self.data[at : at + length] for at, length in parts)

    def properties_of(self, item: int, name: bytes) -> list[bytes]:
        """The content of each property of this type that the item has."""
        having = (self.properties[i] for i in self.associations.get(item, []))
        return [self.data[start:end] for kind, start, end in having if kind == name]

    def referred(self, name: bytes, item: int) -> list[int]:
        """The items that `item` refers to."""
        return [
            to
            for kind, start, ends in self.references
            if kind == name and start == item
            for to in ends
        ]

    def referring(self, name: bytes, item: int) -> list[int]:
        """The items that refer to `item`."""
        return [start for kind, start, ends in self.references if kind == name and item in ends]


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of each box's content.

    Raises `ValueError` where one is cut off, and for too many.
    """
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


def read_items(data: bytes) -> Items:
    """Raises `ValueError` for a damaged file, `Refused` for too large a colour profile."""
    top = _unlike(data, 0, len(data), {b"meta", b"moov", b"mini"})
    if b"meta" not in top or b"mini" in top:
        raise ValueError("no meta box")
    start, end = top[b"meta"]
    items = Items(data)
    # Version and flags come first, here and in what is read below.
    inner = _unlike(data, start + 4, end, {b"pitm", b"iinf", b"iloc", b"iprp", b"iref", b"idat"})
    if b"pitm" in inner:
        at, _ = inner[b"pitm"]
        items.primary = int.from_bytes(data[at + 4 : at + (6 if data[at] == 0 else 8)])
    if b"iinf" in inner:
        _read_kinds(items, *inner[b"iinf"])
    if b"iloc" in inner:
        at, stop = inner[b"iloc"]
        _read_locations(items, data[at:stop], inner.get(b"idat", (0, 0)))
    if b"iprp" in inner:
        _read_properties(items, *inner[b"iprp"])
    if b"iref" in inner:
        _read_references(items, *inner[b"iref"])
    return items


def _unlike(data: bytes, start: int, end: int, names: set[bytes]) -> dict[bytes, tuple[int, int]]:
    """Start and end of those of these boxes that are there; of two alike, readers differ."""
    found: dict[bytes, tuple[int, int]] = {}
    for name, at, stop in boxes(data, start, end):
        if name in found:
            raise ValueError("a box is there twice")
        if name in names:
            found[name] = (at, stop)
    return found


class _Numbers:
    """Reads numbers of whole bytes one after the other."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._offset = 0
        self._entries = 0

    def take(self, size: int) -> int:
        self._offset += size
        if self._offset > len(self._body):
            raise ValueError("a table is cut off")
        return int.from_bytes(self._body[self._offset - size : self._offset])

    def counted(self, count: int) -> range:
        """That many entries. Raises `ValueError` where all tables in it together have too many."""
        self._entries += count
        if self._entries > _MAX_ENTRIES:
            raise ValueError("too many entries")
        return range(count)


def _read_kinds(items: Items, at: int, stop: int) -> None:
    data = items.data
    first = at + (6 if data[at] == 0 else 8)
    for name, start, _ in boxes(data, first, stop):
        if name == b"infe":
            wide = 4 if data[start] == 3 else 2
            item = int.from_bytes(data[start + 4 : start + 4 + wide])
            items.kinds[item] = data[start + 6 + wide : start + 10 + wide]
    if len(items.kinds) > _MAX_ITEMS:
        raise ValueError("too many items")


def _read_locations(items: Items, body: bytes, inside: tuple[int, int]) -> None:
    """`inside` is where the box lies that may hold small items itself."""
    version = body[0]
    offset_bytes, length_bytes = body[4] >> 4, body[4] & 15
    base_bytes, index_bytes = body[5] >> 4, body[5] & 15 if version else 0
    numbers = _Numbers(body[6:])
    wide = 4 if version == 2 else 2
    for _ in numbers.counted(numbers.take(wide)):
        item = numbers.take(wide)
        method = numbers.take(2) & 15 if version else 0
        numbers.take(2)
        base = numbers.take(base_bytes) + (inside[0] if method == 1 else 0)
        parts = []
        for _ in numbers.counted(numbers.take(2)):
            numbers.take(index_bytes)
            offset = base + numbers.take(offset_bytes)
            parts.append((offset, numbers.take(length_bytes)))
        # What is made of other items' bytes no camera writes.
        items.locations[item] = parts if method < 2 else []
    if sum(map(items.length, items.locations)) > MAX_BYTES:
        raise ValueError("the items claim more than there is")


def _read_properties(items: Items, at: int, stop: int) -> None:
    data = items.data
    inner = _unlike(data, at, stop, {b"ipco"})
    if b"ipco" in inner:
        items.properties = list(boxes(data, *inner[b"ipco"]))
    for name, start, end in items.properties:
        if name == b"colr" and data[start : start + 4] in _PROFILES:
            check_profile(end - start - 4)
    for name, start, end in boxes(data, at, stop):
        if name == b"ipma":
            _read_associations(items, data[start:end])


def _read_associations(items: Items, body: bytes) -> None:
    numbers = _Numbers(body[4:])
    wide, index_bytes = (2 if body[0] == 0 else 4), (2 if body[3] & 1 else 1)
    for _ in numbers.counted(numbers.take(4)):
        having = items.associations.setdefault(numbers.take(wide), [])
        for _ in numbers.counted(numbers.take(1)):
            # The highest bit says whether a reader has to know it; 0 is none.
            index = numbers.take(index_bytes) & (1 << 8 * index_bytes - 1) - 1
            if 0 < index <= len(items.properties):
                having.append(index - 1)


def _read_references(items: Items, at: int, stop: int) -> None:
    wide = 2 if items.data[at] == 0 else 4
    left = _MAX_ENTRIES
    for name, start, end in boxes(items.data, at + 4, stop):
        numbers = _Numbers(items.data[start:end])
        item = numbers.take(wide)
        ends = [numbers.take(wide) for _ in numbers.counted(numbers.take(2))]
        left -= len(ends)
        if left < 0:
            raise ValueError("too many references")
        items.references.append((name, item, ends))
