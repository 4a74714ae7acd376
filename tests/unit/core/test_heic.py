"""A HEIC is taken by its primary picture, and refused before a decoder would need too much."""

from __future__ import annotations

import struct
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from imagerift_core.errors import DomainError, ImageTooLarge, ImageUnreadable, UnsupportedImage
from imagerift_core.images import InspectedImage, inspect_image

from tests.support.heif import files
from tests.support.heif.files import Item, box, coded, container, full_box, heic, planes_of
from tests.support.heif.hevc import Planes, parameter_sets, slice_unit
from tests.unit.core.pictures import picture

MEBIBYTE = 1024 * 1024
ONE = coded(planes_of(picture()))
TILE = coded(planes_of(picture(size=(32, 32))), hidden=True)


def inspect(data: bytes) -> InspectedImage:
    return inspect_image(data, param="imageBase64")


def length_first(*units: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


def with_bodies(*bodies: bytes) -> bytes:
    """The good picture with other bytes for its pixels."""
    return container([replace(ONE, body=b"".join(bodies))])


def sized(width: int, height: int) -> Planes:
    """Planes that say so and hold one sample."""
    return Planes(np.broadcast_to(np.uint16(0), (height, width)))


def huge_by_its_codec() -> bytes:
    planes = sized(50_000, 50_000)
    small = planes_of(picture())
    item = coded(small)
    return container([replace(item, properties=[files.configuration(planes), item.properties[1]])])


def huge_among_its_bytes() -> bytes:
    """A second parameter set, which the decoder obeys, stands before the pixels."""
    return with_bodies(length_first(parameter_sets(sized(50_000, 50_000))[1]), ONE.body)


def huge_grid() -> bytes:
    body = struct.pack(">BBBBII", 0, 1, 0, 0, 50_000, 50_000)
    first = Item(b"grid", body, [files.size_box(64, 48)])
    return container([first, TILE], [(b"dimg", 1, [2])])


def gridded(columns: int, rows: int) -> bytes:
    """A grid that names one tile for each of its places."""
    width, height = 32 * columns, 32 * rows
    body = files.grid(width, height, columns, rows)
    first = Item(b"grid", body, [files.size_box(width, height)])
    return container([first, TILE], [(b"dimg", 1, [2] * (columns * rows))])


@pytest.mark.parametrize(
    ("brands", "behind"),
    [
        ((b"heic", b"mif1", b"heic"), b""),
        ((b"mif1", b"heic"), b""),
        ((b"heix", b"mif1"), b""),
        ((b"msf1", b"hevc", b"mif1", b"heic"), box(b"moov", b"of no use" * 9)),
    ],
    ids=["phone", "heif", "deep", "sequence"],
)
def test_each_of_its_brands_is_taken(brands: tuple[bytes, ...], behind: bytes) -> None:
    found = inspect(container([ONE], brands=brands, behind=behind))
    assert (found.content_type, found.width, found.height) == ("image/heic", 64, 48)


def test_of_several_pictures_the_primary_one_counts() -> None:
    other = coded(planes_of(picture(size=(32, 96))))
    assert inspect(container([ONE, other])).width == 64
    assert inspect(container([ONE, other], primary=2)).width == 32


def test_its_size_is_as_it_is_turned() -> None:
    found = inspect(heic(picture(), properties=[files.turned(1)]))
    assert (found.width, found.height) == (48, 64)


def test_an_animation_without_a_picture_is_unsupported() -> None:
    data = box(b"ftyp", b"hevc" + bytes(4) + b"msf1hevc") + box(b"moov", bytes(100))
    with pytest.raises(UnsupportedImage, match="animated"):
        inspect(data)


@pytest.mark.parametrize("kind", [b"av01", b"jpeg", b"unci", b"iovl", b"iden"])
def test_a_picture_of_another_codec_is_refused_by_name(kind: bytes) -> None:
    with pytest.raises(UnsupportedImage, match="HEVC"):
        inspect(container([replace(ONE, kind=kind)]))


@pytest.mark.parametrize(
    ("size", "taken"), [((16, 16), True), ((15, 48), False), ((544, 32), False)]
)
def test_sides_are_bounded_as_everywhere(size: tuple[int, int], taken: bool) -> None:
    data = heic(picture(size=size))
    if taken:
        assert inspect(data).width == 16
    else:
        with pytest.raises(ImageUnreadable, match=r"at least 16|at most 16"):
            inspect(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: container(
            [replace(ONE, properties=[ONE.properties[0], files.size_box(50_000, 50_000)])]
        ),
        huge_by_its_codec,
        huge_among_its_bytes,
        huge_grid,
    ],
    ids=["box", "codec", "among its bytes", "grid"],
)
def test_a_giant_is_refused_from_its_header_with_memory_flat(make: Callable[[], bytes]) -> None:
    data = make()
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLarge, match="50000000"):
            inspect(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEBIBYTE


SLICE = slice_unit(planes_of(picture()))


@pytest.mark.parametrize("name", ["one tile very often", "pictures", "units", "alphas"])
def test_more_work_than_a_camera_makes_is_refused_in_no_time(name: str) -> None:
    alpha = [full_box(b"auxC", files.ALPHA + b"\0")]
    item = coded(planes_of(picture("L")), alpha)
    data = {
        "one tile very often": gridded(128, 250),
        "pictures": with_bodies(length_first(*[SLICE] * 500)),
        "units": with_bodies(length_first(*[b"\x46\1\x50"] * 300_000), ONE.body),
        "alphas": container([ONE, *[item] * 500], [(b"auxl", n, [n - 1]) for n in range(2, 502)]),
    }[name]
    before = time.process_time()
    with pytest.raises((ImageUnreadable, UnsupportedImage)):
        inspect(data)
    assert time.process_time() - before < 1


def test_slices_are_counted_by_what_they_may_go_through() -> None:
    """Of 48 megapixels each, in a small file."""
    planes = sized(8000, 6000)
    unit = slice_unit(planes_of(picture(size=(16, 16))))
    # Without the bit of the first of a picture.
    later = bytes([*unit[:2], unit[2] & 0x7F, *unit[3:]])
    item = coded(planes_of(picture(size=(16, 16))))
    properties = [files.configuration(planes), files.size_box(8000, 6000)]
    for slices, code in ((8, None), (9, "unsupported_image")):
        body = length_first(unit, *[later] * (slices - 1))
        data = container([replace(item, body=body, properties=properties)])
        if code is None:
            # Too large to be decoded here.
            assert inspect(data).width == 8000
        else:
            with pytest.raises(UnsupportedImage, match="slices"):
                inspect(data)


def many_places() -> bytes:
    """One item of 250 parts, each of which is the whole file."""
    padding = box(b"free", bytes(MEBIBYTE))
    items = container([ONE, Item(b"Exif", bytes(4))], [(b"cdsc", 2, [1])], behind=padding)
    entry = struct.pack(">HHH", 2, 0, 250) + struct.pack(">II", 0, len(items)) * 250
    start = items.index(b"iloc")
    old = struct.unpack(">I", items[start - 4 : start])[0]
    first = items[start + 12 : start + 12 + 14]
    body = b"\x44\0" + struct.pack(">H", 2) + first + entry
    new = full_box(b"iloc", body)
    meta_at = items.index(b"meta") - 4
    meta_size = struct.unpack(">I", items[meta_at : meta_at + 4])[0] + len(new) - old
    grown = items[:meta_at] + struct.pack(">I", meta_size) + items[meta_at + 4 : start - 4]
    return grown + new + items[start - 4 + old :]


def test_one_item_cannot_claim_the_file_again_and_again() -> None:
    data = many_places()
    tracemalloc.start()
    try:
        with pytest.raises(ImageUnreadable):
            inspect(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MEBIBYTE


@pytest.mark.parametrize("what", ["exif", "profiles"])
def test_metadata_is_counted_for_each_picture_that_has_it(what: str) -> None:
    pictures = [ONE] * 40
    if what == "exif":
        exif = Item(b"Exif", bytes(64 * 1024))
        few = container([ONE, exif], [(b"cdsc", 2, [1])])
        many = container([*pictures, exif], [(b"cdsc", 41, list(range(1, 41)))])
    else:
        own = [*ONE.properties, files.profile(bytes(MEBIBYTE // 2))]
        few = container([replace(ONE, properties=own)])
        many = container([replace(one, properties=own) for one in pictures])
    assert inspect(few).width == 64
    with pytest.raises(ImageUnreadable):
        inspect(many)


def test_what_readers_would_read_in_different_ways_is_refused() -> None:
    data = heic(picture())
    start = data.index(b"meta") - 4
    end = start + int.from_bytes(data[start : start + 4])
    for doubled in (data + data[start:end], data + box(b"mini", bytes(20))):
        with pytest.raises(ImageUnreadable):
            inspect(doubled)


@pytest.mark.parametrize("name", ["one", "tiles", "alpha"])
def test_a_file_cut_anywhere_is_refused(name: str) -> None:
    whole = {
        "one": heic(picture(), exif=b"MM\0*\0\0\0\x08\0\0\0\0\0\0"),
        "tiles": heic(picture(), tile=32),
        "alpha": files.heic_with_alpha(picture("RGBA")),
    }[name]
    for length in {*range(1, len(whole), 41), *range(len(whole) - 40, len(whole))}:
        with pytest.raises((ImageUnreadable, UnsupportedImage)) as refusal:
            inspect(whole[:length])
        if length > 64:
            assert isinstance(refusal.value, ImageUnreadable), length


def test_only_transparent_pixels_are_refused() -> None:
    clear = picture("RGBA")
    clear.putalpha(0)
    with pytest.raises(DomainError, match="fully transparent"):
        inspect(files.heic_with_alpha(clear))
