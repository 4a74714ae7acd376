"""A decoded picture's alpha, from wherever its format keeps it."""

from __future__ import annotations

import io
from functools import reduce

from PIL import Image, ImageChops
from PIL.PngImagePlugin import PngImageFile

from .opening import OpenedPicture
from .png_chunks import chunks_before_pixels, sample_bits
from .rules import VISIBLE_ALPHA, Kind, Refused

_SIXTEEN_BITS = 65536


def alpha_of(opened: OpenedPicture, loaded: Image.Image) -> Image.Image | None:
    """The alpha of `loaded`, 8 bits a pixel and as large; None where all of it can be seen.

    Raises `Refused` where nothing of it can be seen.
    """
    alpha = _alpha(opened, loaded)
    if alpha is None:
        return None
    if opened.kind is Kind.BMP and not alpha.getbbox():
        # Most programs leave the fourth byte empty.
        return None
    if not any(alpha.histogram()[VISIBLE_ALPHA:]):
        raise Refused("image_unreadable", "The image is fully transparent.")
    return alpha


def _alpha(opened: OpenedPicture, loaded: Image.Image) -> Image.Image | None:
    if loaded.mode in {"LA", "PA", "RGBA"}:
        return loaded.getchannel("A")
    if opened.kind is Kind.PNG and loaded.mode != "P":
        return _keyed_alpha(opened, loaded)
    if loaded.mode == "P" and "transparency" in loaded.info:
        return loaded.convert("RGBA").getchannel("A")
    return None


def _keyed_alpha(opened: OpenedPicture, loaded: Image.Image) -> Image.Image | None:
    """Of a PNG in which one colour is transparent (tRNS of grey or RGB)."""
    chunk = chunks_before_pixels(opened.data).get(b"tRNS", b"")
    depth = sample_bits(opened.data)
    key = [int.from_bytes(chunk[at : at + 2]) & (1 << depth) - 1 for at in range(0, len(chunk), 2)]
    if loaded.mode in {"1", "L"} and key:
        # Pillow spreads grey of fewer bits over eight.
        return _all_but([(loaded.convert("L"), key[0] * 255 // ((1 << depth) - 1))])
    if loaded.mode == "I;16" and key:
        table = [255] * _SIXTEEN_BITS
        table[key[0]] = 0
        return loaded.convert("I").point(table, "L")
    if loaded.mode == "RGB" and len(key) == 3:
        bands = list(zip(loaded.split(), [k >> depth - 8 for k in key], strict=True))
        if depth == 16:
            low = low_bytes(opened.data)
            bands += zip(low.split(), [k & 255 for k in key], strict=True)
        return _all_but(bands)
    return None


def _all_but(bands: list[tuple[Image.Image, int]]) -> Image.Image:
    """255 but where every band has its value."""
    apart = (band.point([0 if v == value else 255 for v in range(256)]) for band, value in bands)
    return reduce(ImageChops.lighter, apart)


def low_bytes(data: bytes) -> Image.Image:
    """The low bytes of an RGB or RGBA PNG of 16 bits, of which Pillow keeps the high ones alone."""
    image = PngImageFile(io.BytesIO(data))
    # Read in the other byte order, the low byte counts as the high one.
    image.tile = [tile._replace(args=f"{image.mode};16L") for tile in image.tile]
    image.load()
    return image
