"""Small picture files of every odd kind, made on the spot. Needs Pillow alone."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageCms, ImageDraw
from PIL.PngImagePlugin import PngInfo

from tests.support.heif.files import heic, turned

WIDTH, HEIGHT = 480, 320
PORTRAIT = Path(__file__).resolve().parents[3] / "docs" / "images" / "portrait.jpg"


def scene(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A red mug on a wooden table, drawn: one clear subject, its handle to the right."""
    image = Image.new("RGB", (width, height), (168, 124, 82))
    draw = ImageDraw.Draw(image)
    for line in range(0, height, 9):
        draw.line((0, line, width, line + 6), fill=(150, 108, 70), width=2)
    left, top, right, bottom = (width * 0.34, height * 0.24, width * 0.60, height * 0.80)
    draw.ellipse((right - 26, top + 34, right + 46, bottom - 42), outline=(176, 28, 22), width=16)
    draw.rounded_rectangle((left, top, right, bottom), 22, fill=(200, 36, 28))
    draw.ellipse((left, top - 16, right, top + 22), fill=(238, 232, 224))
    draw.ellipse((left + 12, top - 8, right - 12, top + 16), fill=(74, 44, 24))
    return image


def portrait() -> Image.Image:
    """A face, as large as the scene."""
    return Image.open(PORTRAIT).convert("RGB").crop((16, 0, 496, 320))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """A picture's file bytes."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def rotated_by_exif(image: Image.Image) -> bytes:
    """Lies on its side in the file; EXIF says how to turn it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(image.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=92, exif=exif)


def sixteen_bit_grey(image: Image.Image) -> bytes:
    """A 16-bit grey PNG."""
    grey = image.convert("L")
    wide = Image.new("I;16", grey.size)
    wide.putdata([value * 257 for value in grey.tobytes()])
    return saved(wide, "PNG")


def sixteen_bit_colour(image: Image.Image) -> bytes:
    """A 16-bit RGB PNG, which Pillow itself cannot write."""
    rows = b"".join(
        b"\0"
        + b"".join(bytes((value, value)) for value in image.tobytes()[y * WIDTH * 3 :][: WIDTH * 3])
        for y in range(HEIGHT)
    )
    return _png(struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0), zlib.compress(rows))


def palette_with_alpha(image: Image.Image) -> bytes:
    """A palette PNG whose transparency cuts the subject out."""
    image = image.convert("RGBA")
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((163, 60, 300, 256), 22, fill=255)
    image.putalpha(mask)
    return saved(image.quantize(128, method=Image.Quantize.FASTOCTREE), "PNG")


def with_huge_profile() -> bytes:
    """A colour profile that inflates from a few KB to 8 MB."""
    image = scene()
    rows = b"".join(b"\0" + image.tobytes()[y * WIDTH * 3 :][: WIDTH * 3] for y in range(HEIGHT))
    profile = b"icc\0\0" + zlib.compress(bytes(8 * 1024 * 1024))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return _png(header, zlib.compress(rows), (b"iCCP", profile))


def with_srgb_profile_and_gps(image: Image.Image) -> bytes:
    """An ordinary phone photo: colour profile and GPS position."""
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010E] = "SECRET-LOCATION"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return saved(image, "JPEG", quality=92, exif=exif, icc_profile=profile)


def multi_picture(image: Image.Image) -> bytes:
    """A JPEG with another picture behind it, as phones store a depth or gain map."""
    behind = Image.new("RGB", (240, 160), (20, 200, 40))
    return saved(image, "MPO", quality=92, save_all=True, append_images=[behind])


def bomb(side: int = 50_000) -> bytes:
    """A PNG whose header claims 50,000 x 50,000 pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return _png(header, zlib.compress(bytes(1024)))


def animated() -> bytes:
    """A WebP of two frames."""
    return saved(scene(), "WEBP", save_all=True, append_images=[scene().rotate(180)], duration=99)


def text_bomb() -> bytes:
    """A PNG text chunk that inflates to 64 MB."""
    info = PngInfo()
    info.add_text("Comment", "x" * (64 * 1024 * 1024), zip=True)
    return saved(scene(), "PNG", pnginfo=info)


def _half(kind: str) -> bytes:
    """The first half of a readable file."""
    whole = READABLE[kind](scene())
    return whole[: len(whole) // 2]


def _png(header: bytes, pixels: bytes, *more: tuple[bytes, bytes]) -> bytes:
    chunks = ((b"IHDR", header), *more, (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


READABLE: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": lambda image: saved(image, "JPEG", quality=92),
    "png": lambda image: saved(image, "PNG"),
    "webp": lambda image: saved(image, "WEBP", quality=90),
    "avif": lambda image: saved(image, "AVIF", quality=90),
    "heic": lambda image: heic(image, chroma=420, tile=256),
    "heic on its side": lambda image: heic(
        image.rotate(90, expand=True), depth=10, properties=[turned(3)]
    ),
    "gif": lambda image: saved(image, "GIF"),
    "tiff": lambda image: saved(image, "TIFF"),
    "bmp": lambda image: saved(image, "BMP"),
    "end marker missing": lambda image: saved(image, "JPEG", quality=92)[:-2],
    "multi-picture": multi_picture,
    "rotated by exif": rotated_by_exif,
    "cmyk": lambda image: saved(image.convert("CMYK"), "JPEG", quality=92),
    "16-bit grey": sixteen_bit_grey,
    "16-bit colour": sixteen_bit_colour,
    "palette with alpha": palette_with_alpha,
    "grey": lambda image: saved(image.convert("L"), "PNG"),
    "grey with alpha": lambda image: saved(image.convert("LA"), "PNG"),
    "one bit": lambda image: saved(image.convert("1"), "PNG"),
    "profile and gps": with_srgb_profile_and_gps,
}

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "unsupported_image"),
    "one byte": (lambda: b"\x89", "unsupported_image"),
    "not an image": (lambda: b"%PDF-1.7 not an image" * 50, "unsupported_image"),
    "ico": (lambda: saved(scene(), "ICO"), "unsupported_image"),
    "truncated jpeg": (lambda: _half("jpeg"), "image_unreadable"),
    "truncated png": (lambda: _half("png"), "image_unreadable"),
    "truncated webp": (lambda: _half("webp"), "image_unreadable"),
    "truncated heic": (lambda: _half("heic"), "image_unreadable"),
    "50,000 pixels a side": (bomb, "image_too_large"),
    "8,000 pixels a side": (lambda: bomb(8_000), "image_too_large"),
    "two frames": (animated, "unsupported_image"),
    "huge profile": (with_huge_profile, "image_unreadable"),
    "huge text": (text_bomb, "image_unreadable"),
    "one pixel": (lambda: saved(scene().resize((1, 1)), "PNG"), "image_unreadable"),
    "a strip": (lambda: saved(scene().resize((8000, 10)), "PNG"), "image_unreadable"),
    "fully transparent": (
        lambda: saved(Image.new("RGBA", (64, 64), (9, 9, 9, 0)), "PNG"),
        "image_unreadable",
    ),
}
