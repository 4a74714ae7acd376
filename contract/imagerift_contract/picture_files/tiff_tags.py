"""Walks the tags of a TIFF, or of EXIF, which is one, without reading what they point at.

TIFF Revision 6.0, section 2. Decoders follow every tag: a small file can make them copy the same
bytes thousands of times, so what the tags claim is summed up before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .rules import MAX_BYTES, check_profile, check_size, unsupported

_ENTRY_BYTES = 12
_MAX_TAGS = 200
# EXIF below the first directory, interoperability below EXIF.
_MAX_DEPTH = 2
_MAX_STRIP_BYTES = 128 * 1024 * 1024
# By type: byte, ASCII, short, long, rational, their signed forms, floats, IFD.
_TYPE_BYTES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), start=1))
_SHORT, _LONG = 3, 4

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
ORIENTATION = 274
_SAMPLES, _ROWS_PER_STRIP, _TILE_TAGS = 277, 278, (322, 323, 324, 325)
_SAMPLE_FORMAT, _PROFILE = 339, 34675
# Where EXIF, GPS and interoperability tags lie.
_DIRECTORY_TAGS = (34665, 34853, 40965)
# None, LZW, Deflate (two numbers), PackBits.
_COMPRESSIONS = {1, 5, 8, 32946, 32773}
# White is zero, black is zero, RGB, palette, CMYK.
_COLOURS = {0, 1, 2, 3, 5}


@dataclass(frozen=True)
class _Tag:
    kind: int
    count: int
    value: bytes
    """The four bytes of the entry: the value itself, or where it lies."""

    @property
    def size(self) -> int:
        return self.count * _TYPE_BYTES.get(self.kind, 1)


@dataclass(frozen=True)
class _Directory:
    data: bytes
    order: Literal["big", "little"]
    tags: dict[int, _Tag]

    def numbers(self, name: int) -> list[int]:
        """The first eight values of a tag of whole numbers; none where it is absent."""
        tag = self.tags.get(name)
        if tag is None or tag.kind not in {_SHORT, _LONG}:
            return []
        each = _TYPE_BYTES[tag.kind]
        at = int.from_bytes(tag.value, self.order)
        values = tag.value if tag.size <= 4 else self.data[at : at + 8 * each]
        count = min(tag.count, len(values) // each)
        return [int.from_bytes(values[i * each : (i + 1) * each], self.order) for i in range(count)]

    def number(self, name: int, default: int) -> int:
        return next(iter(self.numbers(name)), default)

    def claimed_bytes(self, depth: int = _MAX_DEPTH) -> int:
        """What a reader copies that follows every tag, and the directories below."""
        total = sum(tag.size for tag in self.tags.values() if tag.size > 4)
        for name in _DIRECTORY_TAGS if depth else ():
            if at := self.number(name, 0):
                total += _directory(self.data, at, self.order).claimed_bytes(depth - 1)
        return total


def check_tiff(data: bytes) -> None:
    """Takes a first page of whole numbers in strips: baseline TIFF's compressions, LZW, Deflate.

    Raises `Refused` (by name where the file is sound) or `ValueError` for a damaged one.
    """
    first = _first_directory(data)
    check_size(first.number(_WIDTH, 0), first.number(_HEIGHT, 0))
    if first.claimed_bytes() > MAX_BYTES:
        raise ValueError("the tags claim more than there is")
    profile = first.tags.get(_PROFILE)
    check_profile(profile.size if profile else 0)
    if any(name in first.tags for name in _TILE_TAGS):
        raise unsupported("The TIFF is stored in tiles; save it in strips.")
    compression = first.number(_COMPRESSION, 1)
    if compression not in _COMPRESSIONS:
        raise unsupported("The TIFF's compression is not taken; save it with LZW, Deflate or none.")
    bits = set(first.numbers(_BITS)) or {1}
    formats = set(first.numbers(_SAMPLE_FORMAT)) or {1}
    colours = first.number(_PHOTOMETRIC, 1)
    if colours not in _COLOURS or not bits <= {1, 2, 4, 8, 16} or formats != {1}:
        raise unsupported(
            "The TIFF's pixels are not taken; save it as grey, RGB or CMYK of 8 or 16 bits."
        )
    rows = min(first.number(_ROWS_PER_STRIP, 2**32 - 1), first.number(_HEIGHT, 0))
    row_bits = first.number(_WIDTH, 0) * first.number(_SAMPLES, 1) * max(bits)
    if compression != 1 and rows * row_bits > _MAX_STRIP_BYTES * 8:
        raise unsupported("The TIFF has a strip of over 128 MiB; save it in smaller strips.")


def check_exif(exif: bytes) -> None:
    """Raises `ValueError` where EXIF's tags claim more bytes than any picture has."""
    try:
        claimed = _first_directory(exif).claimed_bytes()
    except ValueError:
        # Broken EXIF is common; readers drop it.
        return
    if claimed > MAX_BYTES:
        raise ValueError("the EXIF tags claim more than there is")


def orientation_of(exif: bytes) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none or it cannot be read."""
    try:
        value = _first_directory(exif.removeprefix(b"Exif\0\0")).number(ORIENTATION, 1)
    except ValueError:
        return 1
    return value if 1 <= value <= 8 else 1


def _first_directory(data: bytes) -> _Directory:
    order: Literal["big", "little"] = "big" if data[:2] == b"MM" else "little"
    if len(data) < 8 or data[:4] not in {b"II*\0", b"MM\0*"}:
        raise ValueError("no TIFF")
    return _directory(data, int.from_bytes(data[4:8], order), order)


def _directory(data: bytes, at: int, order: Literal["big", "little"]) -> _Directory:
    count = int.from_bytes(data[at : at + 2], order)
    end = at + 2 + count * _ENTRY_BYTES
    if not 0 < count <= _MAX_TAGS or end > len(data):
        raise ValueError("too many tags, or none")
    tags = {}
    for offset in range(at + 2, end, _ENTRY_BYTES):
        name, kind = (int.from_bytes(data[p : p + 2], order) for p in (offset, offset + 2))
        length = int.from_bytes(data[offset + 4 : offset + 8], order)
        tags[name] = _Tag(kind, length, data[offset + 8 : offset + 12])
    return _Directory(data, order, tags)
