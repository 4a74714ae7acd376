"""Sources as cameras, editors and scanners really write them, and what each has to give.

Made of the project's own two photos; runs in the models' environment and in the services'.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.heif.files import heic, turned

IMAGES = Path(__file__).resolve().parents[3] / "docs" / "images"
# Linear sRGB to linear Display P3.
TO_P3 = np.array([[0.8225, 0.1774, 0], [0.0332, 0.9669, 0], [0.0171, 0.0724, 0.9108]])
# As a phone writes it beside the property that turns the picture.
ON_ITS_SIDE = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
# A picture that is upright, whatever this says (orientation 6 turns it).
STALE_XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF>'
    b'</x:xmpmeta><?xpacket end="w"?>'
)


@dataclass(frozen=True)
class CarelessSource:
    """`colours` are the pixels that it shows, [H, W, 3] sRGB; `clear` where it shows none.

    `off` is by how much the mean of the colours may differ, of 255: what the format loses.
    """

    name: str
    data: bytes
    accepted: bool = True
    colours: NDArray[np.uint8] | None = None
    clear: NDArray[np.bool_] | None = None
    off: float = 3.0


def careless_sources() -> list[CarelessSource]:
    sample, portrait = _photo("sample.jpg"), _photo("portrait.jpg")
    rgb = np.asarray(sample)
    return [
        *_jpegs(sample, rgb),
        *_transparent_pngs(np.asarray(sample.convert("L"))),
        *_coloured_pngs(rgb),
        *_other_formats(sample, rgb),
        *_shapes(sample, portrait),
    ]


def _photo(name: str) -> Image.Image:
    photo = Image.open(IMAGES / name).convert("RGB")
    photo.thumbnail((640, 640))
    return photo


def _jpegs(sample: Image.Image, rgb: NDArray[np.uint8]) -> Iterable[CarelessSource]:
    plain = _jpeg(sample)
    yield CarelessSource("end-marker-missing.jpg", plain[:-2], colours=rgb)
    yield CarelessSource("cut-200-bytes.jpg", plain[:-200], accepted=False)
    yield CarelessSource("trailing-64k.jpg", plain + bytes(65536), colours=rgb)


def _transparent_pngs(grey: NDArray[np.uint8]) -> Iterable[CarelessSource]:
    """A grey picture whose black is declared transparent, outside an ellipse."""
    height, width = grey.shape
    y, x = np.mgrid[0:height, 0:width]
    outside = ((x - width / 2) / (width * 0.35)) ** 2 + ((y - height / 2) / (height * 0.4)) ** 2 > 1
    for depth in (8, 16):
        samples = grey.astype(">u2") * (257 if depth == 16 else 1)
        samples[samples == 0] = 1
        samples[outside] = 0
        rows = samples if depth == 16 else samples.astype("u1")
        data = _png(depth, 0, rows, (b"tRNS", b"\0\0"))
        shown = np.repeat(grey[..., None], 3, axis=2)
        yield CarelessSource(f"grey{depth}-trns.png", data, colours=shown, clear=outside)


def _coloured_pngs(rgb: NDArray[np.uint8]) -> Iterable[CarelessSource]:
    """The sample's colours, written in other spaces that the file names."""
    gamma = (b"gAMA", struct.pack(">I", 100_000))
    linear = (rgb / 255.0) ** 2.2
    for depth in (8, 16):
        samples = np.round(linear * (2**depth - 1)).astype(">u2" if depth == 16 else "u1")
        yield CarelessSource(
            f"gamma-linear-{depth}.png", _png(depth, 2, samples, gamma), colours=rgb
        )
    light = np.where(rgb / 255 <= 0.04045, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    p3 = np.clip(light @ TO_P3.T, 0, 1)
    encoded = np.where(p3 <= 0.0031308, 12.92 * p3, 1.055 * p3 ** (1 / 2.4) - 0.055)
    cicp = (b"cICP", bytes([12, 13, 0, 1]))
    data = _png(8, 2, np.round(encoded * 255).astype("u1"), cicp)
    yield CarelessSource("cicp-display-p3.png", data, colours=rgb)


def _other_formats(sample: Image.Image, rgb: NDArray[np.uint8]) -> Iterable[CarelessSource]:
    for name, kind, off in (
        ("phone.avif", "AVIF", 4.0),
        ("old.gif", "GIF", 6.0),
        ("scan.tif", "TIFF", 0.0),
        ("paint.bmp", "BMP", 0.0),
    ):
        file = io.BytesIO()
        sample.save(file, kind)
        yield CarelessSource(name, file.getvalue(), colours=rgb, off=off)
    on_its_side = sample.rotate(90, expand=True)
    phone = heic(on_its_side, chroma=420, tile=256, properties=[turned(3)], exif=ON_ITS_SIDE)
    yield CarelessSource("phone.heic", phone, colours=rgb)
    yield CarelessSource("cut.heic", phone[: len(phone) // 2], accepted=False)


def _shapes(sample: Image.Image, portrait: Image.Image) -> Iterable[CarelessSource]:
    # Wider than high, so that a picture that was turned shows it.
    upright = portrait.crop((0, 0, portrait.width, portrait.height // 2))
    body = b"http://ns.adobe.com/xap/1.0/\0" + STALE_XMP
    plain = _jpeg(upright)
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]
    yield CarelessSource("upright-with-stale-xmp.jpg", data, colours=np.asarray(upright))
    wide = Image.new("RGB", (8000, 500))
    for left in range(0, 8000, sample.width):
        wide.paste(sample.resize((sample.width, 500)), (left, 0))
    yield CarelessSource("panorama-16-to-1.jpg", _jpeg(wide), colours=np.asarray(wide))
    pair = Image.new("RGB", (portrait.width * 2, portrait.height))
    pair.paste(portrait, (0, 0))
    pair.paste(portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (portrait.width, 0))
    yield CarelessSource("two-people.jpg", _jpeg(pair), colours=np.asarray(pair))


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=92)
    return file.getvalue()


def _png(
    depth: int, colour: int, samples: NDArray[np.generic], *extra: tuple[bytes, bytes]
) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    height, width = samples.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in samples))
    chunks = [(b"IHDR", head), *extra, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)
