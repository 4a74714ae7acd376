"""Sources show what their formats say: colours by their order of evidence, HDR, turns, frames."""

import io
import struct
import zlib

import numpy as np
import pytest
from careless_sources import STALE_XMP
from imagerift_vision.decoding import UPRIGHT, decode
from odd_images import saved, scene
from PIL import Image, ImageCms
from test_heic import in_display_p3

GREY_LEVELS = (0, 1, 40, 128, 200, 254, 255)
P3_PRIMARIES = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
LINEAR, SCREEN = (struct.pack(">I", gamma) for gamma in (100_000, 45_455))
SRGB = (b"sRGB", b"\0")
DISPLAY_P3 = (b"cICP", bytes([12, 13, 0, 1]))


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(image: Image.Image, *chunks: tuple[bytes, bytes]) -> bytes:
    plain = saved(image, "PNG")
    return plain[:33] + b"".join(chunk(*each) for each in chunks) + plain[33:]


def profile(icc: ImageCms.ImageCmsProfile) -> tuple[bytes, bytes]:
    return b"iCCP", b"icc\0\0" + zlib.compress(ImageCms.ImageCmsProfile(icc).tobytes())


def deep_png(samples: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """Of 16 bits, [H, W] or [H, W, 3]."""
    height, width = samples.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 16, 2 if samples.ndim == 3 else 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in parts)


def off(data: bytes, expected: Image.Image) -> float:
    shown = decode(data, 8192).rgba[..., :3].astype(int)
    return float(np.abs(shown - np.asarray(expected.convert("RGB"))).mean())


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return scene().resize((176, 112))


def test_of_a_png_s_colours_the_higher_evidence_counts(photo: Image.Image) -> None:
    """PNG Third Edition, section 4.3: cICP before iCCP before sRGB before gAMA and cHRM."""
    srgb = profile(ImageCms.createProfile("sRGB"))
    wide = (b"cHRM", struct.pack(">8I", *P3_PRIMARIES))
    p3 = in_display_p3(photo)
    assert off(png(p3, DISPLAY_P3, srgb), photo) < 2
    assert off(png(photo, srgb, (b"gAMA", LINEAR)), photo) < 2
    assert off(png(photo, SRGB, (b"gAMA", LINEAR), wide), photo) == 0
    assert off(png(p3, (b"gAMA", SCREEN), wide), photo) < 2
    # Not a PNG's colours at all: a matrix, or half of the range.
    for numbers in ((12, 13, 1, 1), (12, 13, 0, 0), (99, 13, 0, 1)):
        assert off(png(photo, (b"cICP", bytes(numbers))), photo) == 0


def avif(image: Image.Image, primaries: int, transfer: int) -> bytes:
    data = bytearray(saved(image, "AVIF", quality=100, subsampling="4:4:4"))
    at = data.index(b"nclx") + 4
    data[at : at + 4] = struct.pack(">HH", primaries, transfer)
    return bytes(data)


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.58), (18, 0.75)], ids=["PQ", "HLG"])
@pytest.mark.parametrize("kind", ["png", "deep png", "avif"])
def test_hdr_is_brought_down(kind: str, transfer: int, white: float) -> None:
    """White on paper (203 cd/m2, ITU-R BT.2408) stays below white, brighter light differs."""
    shown = []
    for share in (0.0, white, white + 0.12):
        flat = Image.new("RGB", (32, 32), (round(share * 255),) * 3)
        cicp = (b"cICP", bytes([9, transfer, 0, 1]))
        deep = np.full((32, 32, 3), round(share * 65535), np.uint16)
        data = {
            "png": lambda flat=flat, cicp=cicp: png(flat, cicp),
            "deep png": lambda deep=deep, cicp=cicp: deep_png(deep, cicp),
            "avif": lambda flat=flat: avif(flat, 9, transfer),
        }[kind]()
        shown.append(decode(data, 64).rgba[..., :3].mean())
    assert shown[0] < 3
    assert 225 <= shown[1] <= 246
    assert shown[1] + 4 < shown[2] <= 255


def test_an_avif_s_colours_by_number_are_converted(photo: Image.Image) -> None:
    assert off(avif(in_display_p3(photo), 12, 13), photo) < 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_alone_turns_a_picture(photo: Image.Image, kind: str, orientation: int) -> None:
    lying = photo
    for step in UPRIGHT.get(orientation, ()):
        back = {Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270}
        back |= {after: before for before, after in back.items()}
        lying = lying.transpose(back.get(step, step))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}}
    options |= {"AVIF": {"quality": 98, "subsampling": "4:4:4"}}
    data = saved(lying, kind, exif=exif.tobytes(), **options.get(kind, {}))
    source = decode(data, 8192)
    assert (source.width, source.height) == photo.size
    assert off(data, photo) < 3


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "TIFF"])
def test_xmp_turns_nothing(photo: Image.Image, kind: str) -> None:
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 98}}.get(kind, {})
    if kind == "PNG":
        data = png(photo, (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + STALE_XMP))
    elif kind == "TIFF":
        data = saved(photo, kind, tiffinfo={700: STALE_XMP})
    else:
        data = saved(photo, kind, xmp=STALE_XMP, **options)
    assert STALE_XMP in data
    assert off(data, photo) < 3


def test_of_sixteen_bit_colours_only_the_very_one_is_transparent() -> None:
    """Two that are alike in their high bytes are two."""
    samples = np.full((32, 32, 3), 0x1234, np.uint16)
    samples[:16, :, 2] = 0x1235
    data = deep_png(samples, (b"tRNS", struct.pack(">3H", 0x1234, 0x1234, 0x1235)))
    alpha = decode(data, 64).rgba[..., 3]
    assert (alpha[:16] == 0).all()
    assert (alpha[16:] == 255).all()


def test_sixteen_bits_are_scaled_and_never_clipped() -> None:
    for samples in (np.uint16(0x0100), np.uint16(0x8000), np.uint16(0xFFFF)):
        for shape in ((32, 32), (32, 32, 3)):
            shown = decode(deep_png(np.full(shape, samples)), 64).rgba[0, 0, 0]
            assert abs(int(shown) - int(samples) / 257) <= 1


@pytest.mark.parametrize("kind", ["GIF", "TIFF"])
def test_the_first_of_several_frames_is_the_picture(photo: Image.Image, kind: str) -> None:
    others = [Image.new("RGB", size, (0, 0, 255)) for size in ((176, 112), (64, 64))]
    data = saved(photo, kind, save_all=True, append_images=others[: 1 if kind == "GIF" else 2])
    assert off(data, photo) < 7
    assert Image.open(io.BytesIO(data)).n_frames > 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_a_bmp_of_each_depth_is_read(photo: Image.Image, mode: str) -> None:
    image = photo.convert(mode)
    assert off(saved(image, "BMP"), image.convert("RGB")) == 0


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_a_tiff_of_each_kind_is_read(photo: Image.Image, mode: str, compression: str) -> None:
    image = photo.convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    data = saved(image, "TIFF", compression=compression)
    expected = photo.convert("L") if mode == "I;16" else image
    assert off(data, expected) <= 1


def test_every_level_of_grey_is_itself() -> None:
    for level in GREY_LEVELS:
        flat = Image.new("L", (32, 32), level)
        for data in (saved(flat, "PNG"), saved(flat, "TIFF"), saved(flat, "BMP")):
            assert (decode(data, 64).rgba[..., :3] == level).all()
