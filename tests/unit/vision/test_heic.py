"""A HEIC shows what people see in it: upright, in its colours, cut out by its alpha."""

import io

import numpy as np
import pytest
from careless_sources import TO_P3
from imagerift_vision.decoding import decode
from odd_images import scene
from PIL import Image, ImageCms

from tests.support.heif import files
from tests.support.heif.files import heic, heic_with_alpha

EXIF_ON_ITS_SIDE = b"MM\0*\0\0\0\x08\0\1" + b"\x01\x12\0\3\0\0\0\1\0\6\0\0" + b"\0\0\0\0"


def shown(data: bytes) -> np.ndarray:
    return decode(data, 8192).rgba


def off(data: bytes, expected: Image.Image) -> float:
    """How far the colours are from what is expected, of 255."""
    pixels = shown(data)
    assert pixels.shape[:2] == (expected.height, expected.width)
    return float(np.abs(pixels[..., :3].astype(int) - np.asarray(expected.convert("RGB"))).mean())


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """Wider than high, and no side like another."""
    return scene().resize((176, 112))


@pytest.mark.parametrize("tile", [0, 64])
@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("chroma", [420, 444])
def test_pixels_are_those_that_were_coded(
    photo: Image.Image, chroma: int, depth: int, tile: int
) -> None:
    # At half size, colours run over edges.
    assert off(heic(photo, chroma=chroma, depth=depth, tile=tile), photo) < (
        1.5 if chroma == 444 else 4
    )


@pytest.mark.parametrize("depth", [8, 10])
def test_grey_is_grey(photo: Image.Image, depth: int) -> None:
    grey = photo.convert("L")
    assert off(heic(grey, depth=depth), grey) < 1


@pytest.mark.parametrize("exif", [b"", EXIF_ON_ITS_SIDE], ids=["no exif", "exif"])
@pytest.mark.parametrize("tile", [0, 64])
@pytest.mark.parametrize("quarters", range(4))
def test_it_is_turned_once(photo: Image.Image, quarters: int, tile: int, exif: bytes) -> None:
    """By its own property; EXIF, which phones write as well, has no say."""
    data = heic(photo, properties=[files.turned(quarters)], tile=tile, exif=exif)
    upright = photo.rotate(90 * quarters, expand=True)
    assert off(data, upright) < 1
    source = decode(data, 64)
    assert (source.width, source.height) == upright.size


@pytest.mark.parametrize(
    ("axis", "way"),
    [(0, Image.Transpose.FLIP_TOP_BOTTOM), (1, Image.Transpose.FLIP_LEFT_RIGHT)],
)
def test_it_is_mirrored(photo: Image.Image, axis: int, way: Image.Transpose) -> None:
    assert off(heic(photo, properties=[files.mirrored(axis)]), photo.transpose(way)) < 1


def test_it_is_turned_before_it_is_mirrored_as_its_properties_stand(photo: Image.Image) -> None:
    data = heic(photo, properties=[files.turned(1), files.mirrored(1)])
    upright = photo.rotate(90, expand=True).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert off(data, upright) < 1


def in_display_p3(photo: Image.Image) -> Image.Image:
    signal = np.asarray(photo) / 255
    light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    p3 = np.clip(light @ TO_P3.T, 0, 1)
    encoded = np.where(p3 <= 0.0031308, 12.92 * p3, 1.055 * p3 ** (1 / 2.4) - 0.055)
    return Image.fromarray(np.round(encoded * 255).astype(np.uint8))


def test_colours_by_number_are_converted(photo: Image.Image) -> None:
    data = heic(in_display_p3(photo), properties=[files.code_points(12, 13, 6, 1)])
    assert off(data, photo) < 2
    assert off(heic(in_display_p3(photo)), photo) > 3


def test_a_profile_goes_before_numbers(photo: Image.Image) -> None:
    lab = ImageCms.createProfile("sRGB")
    icc = ImageCms.ImageCmsProfile(lab).tobytes()
    both = [files.profile(icc), files.code_points(12, 13, 6, 1)]
    assert off(heic(photo, properties=both), photo) < 2


def test_hdr_is_brought_down(photo: Image.Image) -> None:
    """What is white on paper (203 cd/m2) stays below white, and black stays black."""
    # 58 % of the signal is 203 cd/m2 in PQ (ITU-R BT.2408).
    for share, low, high in ((0.0, 0, 2), (0.58, 225, 250), (0.75, 245, 255)):
        flat = Image.new("RGB", (64, 64), (round(share * 255),) * 3)
        data = heic(flat, depth=10, properties=[files.code_points(9, 16, 6, 1)])
        assert low <= shown(data)[..., :3].mean() <= high, share


@pytest.mark.parametrize("premultiplied", [False, True])
def test_its_alpha_is_its_matte(photo: Image.Image, premultiplied: bool) -> None:
    cut = photo.convert("RGBA")
    alpha = Image.linear_gradient("L").resize(photo.size)
    cut.putalpha(alpha)
    pixels = shown(heic_with_alpha(cut, premultiplied=premultiplied))
    assert np.abs(pixels[..., 3].astype(int) - np.asarray(alpha)).max() <= 1
    seen = np.asarray(alpha) > 64
    difference = np.abs(pixels[..., :3].astype(int) - np.asarray(photo))[seen]
    assert difference.mean() < 3


def test_a_small_rest_of_a_profile_is_ignored(photo: Image.Image) -> None:
    assert off(heic(photo, properties=[files.profile(b"no profile")]), photo) < 1


def test_metadata_goes_no_further(photo: Image.Image) -> None:
    data = heic(photo, exif=EXIF_ON_ITS_SIDE + b"SECRET-LOCATION")
    out = io.BytesIO()
    Image.fromarray(shown(data)).save(out, "PNG")
    assert b"SECRET" not in out.getvalue()
