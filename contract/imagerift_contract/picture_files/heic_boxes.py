"""Reads a HEIC's boxes and the headers of its coded pictures without making pixels.

ISO 23008-12 for the items, ITU-T H.265 for what is in them. As with AVIF, the box that tells a
size is not what the decoder allocates by: that is the sequence parameter set, which may stand in
the item's configuration or among its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from .bit_reader import BitReader
from .item_boxes import Items, boxes, read_items
from .rules import MAX_METADATA_BYTES, MAX_PIXELS, animated, check_size, unsupported
from .tiff_tags import check_exif

_ALPHA = {b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"}
# A grid of tiles, or the alpha of a tile; nothing deeper.
_MAX_DEPTH = 3
_MAX_UNITS = 20_000
# Every slice may go through the whole picture. Phones write one, in each of some 200 tiles.
_MAX_PIXELS_DECODED = 8 * MAX_PIXELS
_PARAMETER_SET = 33
_FIRST_NO_SLICE = 32
_MAX_PROFILE_BYTES = 16 * MAX_METADATA_BYTES


def check_heic(data: bytes) -> None:
    """Raises `Refused`, or `ValueError` for a damaged file, where a decoder would need too much."""
    if not any(name == b"meta" for name, _, _ in boxes(data, 0, len(data))):
        raise animated()
    items = read_items(data)
    if items.primary is None or items.primary not in items.kinds:
        raise ValueError("no primary picture")
    if items.kinds[items.primary] not in {b"hvc1", b"grid"}:
        raise unsupported("The HEIF's picture is not coded as HEVC; save it as HEIC or JPEG.")
    _check_metadata(items)
    decoded = 0
    for picture in _coded_pictures(items, items.primary, _MAX_DEPTH):
        decoded += _pixels_decoded(items, picture)
        if decoded > _MAX_PIXELS_DECODED:
            raise unsupported("The HEIC has more slices than any camera writes; save it again.")


def still_alone(data: bytes) -> bytes:
    """The same file with its animation, if any, as free space: a reader finds the picture alone."""
    for name, start, _ in boxes(data, 0, len(data)):
        if name == b"moov":
            at = data.rindex(name, 0, start)
            return data[:at] + b"free" + data[at + 4 :]
    return data


def _check_metadata(items: Items) -> None:
    """Readers copy EXIF, text and profile for every picture that refers to them."""
    text = sum(
        items.length(start) * len(to) for name, start, to in items.references if name == b"cdsc"
    )
    profiles = 0
    for having in items.associations.values():
        for name, start, end in (items.properties[i] for i in having):
            profiles += end - start if name == b"colr" else 0
    if text > MAX_METADATA_BYTES or profiles > _MAX_PROFILE_BYTES:
        raise ValueError("too much colour profile or text")
    for item, kind in items.kinds.items():
        if kind == b"Exif":
            body = items.body(item)
            check_exif(body[4 + int.from_bytes(body[:4]) :].removeprefix(b"Exif\0\0"))


def _coded_pictures(items: Items, item: int, depth: int) -> Iterator[int]:
    """Every coded picture that is decoded for this one, as often as it is."""
    if not depth:
        raise ValueError("pictures in pictures")
    kind = items.kinds.get(item)
    if kind == b"grid":
        check_size(*_grid_size(items.body(item)))
        for tile in items.referred(b"dimg", item):
            if items.kinds.get(tile) != b"hvc1":
                raise ValueError("a tile that is none")
            yield from _coded_pictures(items, tile, depth - 1)
    elif kind == b"hvc1":
        yield item
    else:
        raise ValueError("a picture of another kind")
    for alpha in items.referring(b"auxl", item):
        names = [body[4:].split(b"\0")[0] for body in items.properties_of(alpha, b"auxC")]
        if _ALPHA & set(names):
            yield from _coded_pictures(items, alpha, depth - 1)


def _grid_size(body: bytes) -> tuple[int, int]:
    """Width and height that the tiles are put together to (ISO 23008-12, 6.6.2.3)."""
    wide = 4 if body[1] & 1 else 2
    if len(body) < 4 + 2 * wide:
        raise ValueError("a grid is cut off")
    return int.from_bytes(body[4 : 4 + wide]), int.from_bytes(body[4 + wide : 4 + 2 * wide])


def _pixels_decoded(items: Items, item: int) -> int:
    """Of a coded picture: its pixels, for each of its slices."""
    pixels, slices, pictures = 0, 0, 0
    for unit in _units(items, item):
        kind, layer = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3
        if layer:
            # Readers take the lowest layer alone.
            continue
        if kind == _PARAMETER_SET:
            width, height = _coded_size(unit[2:])
            if width * height > MAX_PIXELS:
                check_size(width, height)
            pixels = max(pixels, width * height)
        elif kind < _FIRST_NO_SLICE:
            slices += 1
            pictures += unit[2] >> 7
    if not pixels or pictures != 1:
        raise ValueError("no picture, or several")
    return pixels * slices


def _units(items: Items, item: int) -> Iterator[bytes]:
    """The configuration's units and the item's, each without the length before it.

    ISO 14496-15, 8.3.3: 23 bytes, of which the last counts the arrays.
    """
    configurations = items.properties_of(item, b"hvcC")
    if len(configurations) != 1:
        raise ValueError("no configuration, or several")
    body = configurations[0]
    if body[21] & 3 != 3:
        raise ValueError("lengths that readers do not know")
    offset, count = 23, 0
    for _ in range(body[22]):
        units = int.from_bytes(body[offset + 1 : offset + 3])
        offset += 3
        count += units
        if count > _MAX_UNITS:
            raise ValueError("too many units")
        for _ in range(units):
            yield (unit := _unit(body, offset, 2))
            offset += 2 + len(unit)
    body, offset = items.body(item), 0
    while offset < len(body):
        yield (unit := _unit(body, offset, 4))
        offset += 4 + len(unit)
        count += 1
        if count > _MAX_UNITS:
            raise ValueError("too many units")


def _unit(body: bytes, offset: int, length_bytes: int) -> bytes:
    start = offset + length_bytes
    end = start + int.from_bytes(body[offset:start])
    if end > len(body) or end - start < 3:
        raise ValueError("a unit is cut off")
    return body[start:end]


def _coded_size(body: bytes) -> tuple[int, int]:
    """Width and height from a sequence parameter set (ITU-T H.265, 7.3.2.2)."""
    # A byte 3 stands where bytes would else look like the start of a unit.
    bits = BitReader(body[:512].replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    layers = bits.take(3)
    # Whether layers are nested; profile and level of all.
    bits.take(1 + 96)
    told = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for has_profile, has_level in told:
        bits.take(88 * has_profile + 8 * has_level)
    bits.take_exp_golomb()
    if bits.take_exp_golomb() == 3:
        bits.take(1)
    return bits.take_exp_golomb(), bits.take_exp_golomb()
