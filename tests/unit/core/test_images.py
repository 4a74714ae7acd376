"""A source picture is refused before anything is stored, with the code that says why."""

from __future__ import annotations

import hashlib
import random
import resource
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from imagerift_core.errors import (
    DomainError,
    ImageTooLarge,
    ImageUnreadable,
    PayloadTooLarge,
    UnsupportedImage,
)
from imagerift_core.images import MAX_IMAGE_BYTES, InspectedImage, inspect_image
from PIL import Image

from tests.support.heif.files import heic, heic_with_alpha
from tests.unit.core import pictures
from tests.unit.core.pictures import chunk, encode, picture, png_with, webp_with

PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<<>>\n%%EOF\n"
MEBIBYTE = 1024 * 1024
# A process's peak of memory is in KiB, on macOS in bytes.
PEAK_KIBIBYTE = 1024 if sys.platform == "darwin" else 1


def inspect(data: bytes) -> InspectedImage:
    return inspect_image(data, param="imageBase64")


GOOD = {
    "jpeg": encode(picture(), "JPEG"),
    "progressive jpeg": encode(picture(), "JPEG", progressive=True),
    "grey jpeg": encode(picture("L"), "JPEG"),
    "cmyk jpeg": encode(picture("CMYK"), "JPEG"),
    "jpeg with exif": encode(picture(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    "multi-picture jpeg": pictures.multi_picture_jpeg(),
    "png": encode(picture(), "PNG"),
    "16-bit png": encode(picture("I;16"), "PNG"),
    "palette png": encode(picture("P"), "PNG"),
    "bilevel png": encode(picture("1"), "PNG"),
    "transparent png": encode(picture("RGBA"), "PNG"),
    "interlaced png": encode(picture("LA"), "PNG"),
    "png with trailing bytes": encode(picture(), "PNG") + bytes(200),
    "webp": encode(picture(), "WEBP"),
    "avif": encode(picture(), "AVIF"),
    "heic": heic(picture(), chroma=420),
    "heic in tiles": heic(picture(), tile=32),
    "10-bit grey heic": heic(picture("L"), depth=10),
    "transparent heic": heic_with_alpha(picture("RGBA")),
    "gif": encode(picture("P"), "GIF"),
    "tiff": encode(picture(), "TIFF"),
    "tiff lzw": encode(picture("CMYK"), "TIFF", compression="tiff_lzw"),
    "bmp": encode(picture(), "BMP"),
    "lossless webp": encode(picture("RGBA"), "WEBP", lossless=True),
    "webp with exif": encode(picture(), "WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
}
ONE_OF_EACH = ["jpeg", "progressive jpeg", "png", "palette png", "webp", "lossless webp"]
# Of most of these, readers take whatever is there.
DAMAGED = [*ONE_OF_EACH, "heic", "heic in tiles", "transparent heic", "avif", "gif", "tiff", "bmp"]


@pytest.mark.parametrize("name", GOOD)
def test_a_good_picture_is_taken_as_it_is(name: str) -> None:
    data = GOOD[name]
    kind = name.split()
    kinds = ("jpeg", "webp", "png", "avif", "heic", "gif", "tiff", "bmp")
    expected = next(one for one in kinds if one in kind)
    found = inspect(data)
    assert found == InspectedImage(f"image/{expected}", 64, 48, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_taken(missing: int) -> None:
    assert inspect(GOOD["jpeg"][:-missing]).width == 64


@pytest.mark.parametrize(("size", "taken"), [((512, 32), True), ((513, 32), False)])
def test_one_side_is_at_most_sixteen_times_the_other(size: tuple[int, int], taken: bool) -> None:
    data = encode(picture(size=size), "PNG")
    if taken:
        assert inspect(data).width == 512
    else:
        with pytest.raises(ImageUnreadable, match="at most 16 times"):
            inspect(data)


def test_a_turned_photo_keeps_its_stored_size() -> None:
    image = picture()
    exif = image.getexif()
    exif[0x0112] = 6
    found = inspect(encode(image, "JPEG", exif=exif))
    assert (found.width, found.height) == (64, 48)


@pytest.mark.parametrize("kind", ["ICO", "PPM"])
def test_another_format_is_unsupported(kind: str) -> None:
    with pytest.raises(UnsupportedImage):
        inspect(encode(picture(), kind))


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"\xff", b"\x89", PDF, b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"RIFF"],
    ids=["nothing", "one byte", "jpeg's first", "png's first", "pdf", "svg", "riff"],
)
def test_what_is_no_picture_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedImage) as refusal:
        inspect(data)
    assert refusal.value.param == "imageBase64"


@pytest.mark.parametrize("kind", ["GIF", "TIFF"])
def test_of_several_frames_the_first_is_taken(kind: str) -> None:
    assert inspect(pictures.animated(kind)).width == 64


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_an_animation_is_unsupported(kind: str) -> None:
    with pytest.raises(UnsupportedImage):
        inspect(pictures.animated(kind))


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_file_cut_anywhere_is_refused(name: str) -> None:
    whole = GOOD[name]
    # A JPEG that lacks its end marker alone has every pixel.
    most = len(whole) - 2 if "jpeg" in name else len(whole)
    for length in {*range(1, most, 7), *range(most - 40, most)}:
        with pytest.raises((ImageUnreadable, UnsupportedImage)) as refusal:
            inspect(whole[:length])
        if length > 64:
            assert isinstance(refusal.value, ImageUnreadable), length


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_or_taken_and_nothing_else(name: str) -> None:
    """No other error ever comes out, whatever the bytes are."""
    chance = random.Random(name)
    whole = GOOD[name]
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(min(len(data), chance.choice([60, 400, len(data)])))
            data[place] = chance.randrange(256)
        if chance.random() < 0.3:
            place = chance.randrange(len(data))
            del data[place : place + chance.randint(1, 30)]
        try:
            inspect(bytes(data))
        except DomainError as refusal:
            assert refusal.param == "imageBase64"


@pytest.mark.parametrize(
    "data",
    [
        pictures.png_of_size(50_000, 50_000),
        pictures.png_of_size(2**31 - 1, 2**31 - 1),
        pictures.webp_of_size(16_383, 16_383),
        pictures.webp_of_size(50_000, 50_000),
        pictures.jpeg_of_size(50_000, 50_000),
    ],
    ids=["png", "largest png", "webp", "large webp", "jpeg"],
)
def test_a_giant_is_refused_from_its_header_with_memory_flat(data: bytes) -> None:
    inspect(GOOD["webp"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLarge) as refusal:
            inspect(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "50000000" in refusal.value.message
    assert peak < MEBIBYTE
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 16 * 1024 * PEAK_KIBIBYTE


@pytest.mark.parametrize(
    ("width", "height", "taken"), [(10_000, 5_000, True), (10_000, 5_001, False)]
)
def test_the_limit_is_fifty_million_pixels(width: int, height: int, taken: bool) -> None:
    data = pictures.png_of_size(width, height)
    if taken:
        assert inspect(data).width == width
    else:
        with pytest.raises(ImageTooLarge):
            inspect(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("size", "taken"), [((16, 16), True), ((15, 48), False), ((64, 1), False)])
def test_a_side_has_at_least_sixteen_pixels(kind: str, size: tuple[int, int], taken: bool) -> None:
    data = encode(picture(size=size), kind)
    if taken:
        assert inspect(data).width == 16
    else:
        with pytest.raises(ImageUnreadable, match="at least 16") as refusal:
            inspect(data)
        assert refusal.value.param == "imageBase64"


def test_the_limit_is_twenty_mebibytes() -> None:
    good = GOOD["jpeg"]
    padded = good + bytes(MAX_IMAGE_BYTES - len(good))
    assert inspect(padded).width == 64
    with pytest.raises(PayloadTooLarge) as refusal:
        inspect(padded + b"\0")
    assert str(MAX_IMAGE_BYTES) in refusal.value.message


def icc_chunk(size: int) -> bytes:
    return chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(size)))


def jpeg_profile(size: int) -> bytes:
    return encode(picture(), "JPEG", icc_profile=bytes(size))


@pytest.mark.parametrize(
    "data",
    [
        png_with(icc_chunk(64 * MEBIBYTE)),
        png_with(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(64 * MEBIBYTE)))),
        png_with(chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(64 * MEBIBYTE)))),
        png_with(after_pixels=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(64 * MEBIBYTE)))),
        png_with(chunk(b"tEXt", b"k\0" + b"a" * (MEBIBYTE + 1))),
        png_with(chunk(b"tEXt", b"k\0" + b"a" * (MEBIBYTE // 2)) * 3),
        png_with(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(MEBIBYTE // 2))) * 40),
        png_with(icc_chunk(MEBIBYTE + 1)),
        jpeg_profile(MEBIBYTE + 1),
        encode(picture(), "WEBP", icc_profile=bytes(MEBIBYTE + 1)),
    ],
    ids=[
        "profile bomb",
        "text bomb",
        "international text bomb",
        "text bomb after the pixels",
        "long text",
        "much text",
        "many texts",
        "long profile",
        "long jpeg profile",
        "long webp profile",
    ],
)
def test_more_than_a_mebibyte_of_profile_or_text_is_refused(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ImageUnreadable):
            inspect(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MEBIBYTE


def test_small_profiles_and_texts_are_taken() -> None:
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(MEBIBYTE // 2)))
    assert inspect(png_with(icc_chunk(3000) + text)).width == 64
    assert inspect(jpeg_profile(3000)).width == 64


def test_a_png_with_a_wrong_checksum_is_unreadable() -> None:
    data = bytearray(GOOD["png"])
    data[data.index(b"IDAT") + 20] ^= 1
    with pytest.raises(ImageUnreadable):
        inspect(bytes(data))


def test_a_png_without_pixels_is_unreadable() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    with pytest.raises(ImageUnreadable):
        inspect(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IEND", b""))


MEASURE = """
import resource, sys
from pathlib import Path
from imagerift_core.images import inspect_image
small, large = (Path(name).read_bytes() for name in sys.argv[1:])
inspect_image(small, param="x")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert inspect_image(large, param="x").width == 9000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(("kind", "kibibytes"), [("WEBP", 8192), ("PNG", 8192), ("JPEG", 16384)])
def test_a_large_picture_in_a_small_file_costs_little_memory(
    tmp_path: Path, kind: str, kibibytes: int
) -> None:
    """In a process of its own, since a process's peak never falls."""
    paths = [tmp_path / "small", tmp_path / "large"]
    for path, size in zip(paths, [(64, 48), (9000, 5000)], strict=True):
        path.write_bytes(encode(Image.new("RGB", size), kind, quality=1, method=0))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *paths], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < kibibytes * PEAK_KIBIBYTE


@pytest.mark.parametrize(
    "data",
    [
        png_with(chunk(b"eXIf", b"") * 200_000),
        GOOD["jpeg"][:2] + b"\xff\xfe\0\2" * 200_000 + GOOD["jpeg"][2:],
        webp_with(b"junk\0\0\0\0" * 200_000),
    ],
    ids=["png", "jpeg", "webp"],
)
def test_a_flood_of_tiny_parts_is_refused_early(data: bytes) -> None:
    start = time.process_time()
    with pytest.raises(ImageUnreadable):
        inspect(data)
    assert time.process_time() - start < 1


def test_a_webp_without_a_picture_is_unreadable() -> None:
    empty = b"RIFF" + struct.pack("<I", 4) + b"WEBP"
    with pytest.raises(ImageUnreadable):
        inspect(empty)
