"""Writes HEIC files as phones do, and as nobody should (ISO 14496-12, ISO 23008-12)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .hevc import Planes, parameter_sets, slice_unit

ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"
Reference = tuple[bytes, int, list[int]]


@dataclass
class Item:
    """What a file holds: a coded picture, a grid of some, EXIF."""

    kind: bytes
    body: bytes
    properties: list[bytes] = field(default_factory=list)
    hidden: bool = False


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def full_box(name: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(name, bytes([version]) + flags.to_bytes(3) + body)


def heic(
    image: Image.Image,
    *,
    chroma: int = 444,
    depth: int = 8,
    tile: int = 0,
    properties: Sequence[bytes] = (),
    exif: bytes = b"",
) -> bytes:
    """A picture as one, or in square tiles; `properties` turn it or tell its colours."""
    items, references = _picture(image, chroma, depth, tile, list(properties))
    if exif:
        items.append(Item(b"Exif", struct.pack(">I", 6) + b"Exif\0\0" + exif))
        references.append((b"cdsc", len(items), [1]))
    return container(items, references)


def heic_with_alpha(image: Image.Image, *, premultiplied: bool = False) -> bytes:
    """Of an RGBA picture, whose alpha is a picture of its own."""
    rgb, alpha = image.convert("RGB"), image.getchannel("A")
    if premultiplied:
        rgb = Image.composite(rgb, Image.new("RGB", rgb.size), alpha)
    items = [
        coded(planes_of(rgb)),
        coded(planes_of(alpha), [full_box(b"auxC", ALPHA + b"\0")]),
    ]
    references: list[Reference] = [(b"auxl", 2, [1])]
    if premultiplied:
        references.append((b"prem", 1, [2]))
    return container(items, references)


def coded(planes: Planes, properties: Sequence[bytes] = (), hidden: bool = False) -> Item:
    """One coded picture."""
    height, width = planes.luma.shape
    body = slice_unit(planes)
    return Item(
        b"hvc1",
        struct.pack(">I", len(body)) + body,
        [configuration(planes), size_box(width, height), *properties],
        hidden,
    )


def size_box(width: int, height: int) -> bytes:
    return full_box(b"ispe", struct.pack(">II", width, height))


def turned(quarters: int) -> bytes:
    """Against the clock."""
    return box(b"irot", bytes([quarters]))


def mirrored(axis: int) -> bytes:
    """0 exchanges top and bottom, 1 left and right."""
    return box(b"imir", bytes([axis]))


def code_points(*numbers: int) -> bytes:
    """Primaries, transfer, matrix and 1 for the full range."""
    *three, whole = numbers
    return box(b"colr", b"nclx" + struct.pack(">HHH", *three) + bytes([whole << 7]))


def profile(icc: bytes) -> bytes:
    return box(b"colr", b"prof" + icc)


def configuration(planes: Planes, length_bytes: int = 4) -> bytes:
    depths = bytes([0xF8 | planes.depth - 8] * 2)
    units = parameter_sets(planes)
    arrays = b"".join(
        struct.pack(">BHH", 0x80 | unit[0] >> 1, 1, len(unit)) + unit for unit in units
    )
    head = b"\1\4" + bytes([0x08, 0, 0, 0]) + bytes([0x90, 0, 0, 0, 0, 0]) + b"\xba\xf0\0\xfc"
    shape = bytes([0xFC | planes.chroma_format]) + depths + b"\0\0"
    return box(b"hvcC", head + shape + bytes([0x0C | length_bytes - 1, len(units)]) + arrays)


def planes_of(image: Image.Image, chroma: int = 444, depth: int = 8) -> Planes:
    """Grey stays grey; colours as JPEG's."""
    grey = chroma == 0 or image.mode == "L"
    bands = [np.asarray(image.convert("L"))] if grey else _bands(image, chroma)
    luma, *colours = (np.left_shift(band.astype(np.uint16), depth - 8) for band in bands)
    return Planes(luma, tuple(colours), depth)


def grid(width: int, height: int, columns: int, rows: int) -> bytes:
    return struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)


def container(
    items: Sequence[Item],
    references: Sequence[Reference] = (),
    *,
    primary: int = 1,
    brands: Sequence[bytes] = (b"heic", b"mif1", b"heic"),
    behind: bytes = b"",
) -> bytes:
    """A file of these items, counted from 1; `behind` are more boxes."""
    major, *others = brands
    head = box(b"ftyp", major + bytes(4) + b"".join(others))
    size = len(head) + len(_meta(items, references, primary, 0))
    meta = _meta(items, references, primary, size + 8)
    return head + meta + box(b"mdat", b"".join(item.body for item in items)) + behind


def _picture(
    image: Image.Image, chroma: int, depth: int, tile: int, properties: list[bytes]
) -> tuple[list[Item], list[Reference]]:
    if not tile:
        return [coded(planes_of(image, chroma, depth), properties)], []
    columns, rows = -(-image.width // tile), -(-image.height // tile)
    # Behind the edge, as phones do it.
    whole = image.crop((0, 0, columns * tile, rows * tile))
    tiles = [
        coded(
            planes_of(whole.crop((x, y, x + tile, y + tile)), chroma, depth),
            [p for p in properties if p[4:8] == b"colr"],
            hidden=True,
        )
        for y in range(0, rows * tile, tile)
        for x in range(0, columns * tile, tile)
    ]
    body = grid(image.width, image.height, columns, rows)
    first = Item(b"grid", body, [size_box(image.width, image.height), *properties])
    return [first, *tiles], [(b"dimg", 1, list(range(2, 2 + len(tiles))))]


def _bands(image: Image.Image, chroma: int) -> list[NDArray[np.uint8]]:
    luma, *colours = image.convert("RGB").convert("YCbCr").split()
    if chroma == 420:
        half = (-(-image.width // 2), -(-image.height // 2))
        colours = [band.resize(half, Image.Resampling.BOX) for band in colours]
    return [np.asarray(band) for band in (luma, *colours)]


def _meta(
    items: Sequence[Item], references: Sequence[Reference], primary: int, data_at: int
) -> bytes:
    handler = full_box(b"hdlr", bytes(4) + b"pict" + bytes(13))
    entries = b"".join(
        full_box(
            b"infe", struct.pack(">HH4sB", number, 0, item.kind, 0), version=2, flags=item.hidden
        )
        for number, item in enumerate(items, start=1)
    )
    kinds = full_box(b"iinf", struct.pack(">H", len(items)) + entries)
    places = b""
    for number, item in enumerate(items, start=1):
        places += struct.pack(">HHHII", number, 0, 1, data_at, len(item.body))
        data_at += len(item.body)
    locations = full_box(b"iloc", b"\x44\0" + struct.pack(">H", len(items)) + places)
    named = full_box(b"pitm", struct.pack(">H", primary))
    links = b"".join(
        box(name, struct.pack(f">HH{len(to)}H", start, len(to), *to))
        for name, start, to in references
    )
    referring = full_box(b"iref", links) if references else b""
    return full_box(b"meta", handler + named + kinds + locations + _properties(items) + referring)


def _properties(items: Sequence[Item]) -> bytes:
    """Those that two items have in common once, as phones write them."""
    shared: dict[bytes, int] = {}
    owned = b""
    for number, item in enumerate(items, start=1):
        numbers = [shared.setdefault(each, len(shared) + 1) for each in item.properties]
        owned += struct.pack(">HB", number, len(numbers))
        owned += b"".join(struct.pack(">H", 0x8000 | each) for each in numbers)
    listed = full_box(b"ipma", struct.pack(">I", len(items)) + owned, flags=1)
    return box(b"iprp", box(b"ipco", b"".join(shared)) + listed)
