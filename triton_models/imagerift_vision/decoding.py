"""Source bytes to upright sRGB pixels, with every limit checked before pixels are made."""

import io
from dataclasses import dataclass

import numpy as np
from imagerift_contract.picture_files.opening import OpenedPicture, open_picture
from imagerift_contract.picture_files.png_chunks import has_grey_alpha, sample_bits
from imagerift_contract.picture_files.rules import Kind, Refused
from imagerift_contract.picture_files.transparency import alpha_of, low_bytes
from numpy.typing import NDArray
from PIL import Image, ImageCms

from imagerift_vision.colour_spaces import ColourSpace, space_of
from imagerift_vision.errors import VisionError

ROWS_AT_ONCE = 256
CLEAR = (255, 255, 255, 0)
UPRIGHT = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_270,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_90,),
}


@dataclass(frozen=True)
class Source:
    """A decoded source."""

    rgba: NDArray[np.uint8]
    """[H, W, 4], sRGB, straight alpha, upright; may be smaller than the file's picture. What is
    wholly transparent is white: whatever colours the file hides there go no further."""
    width: int
    """Width of the file's own picture, upright, in pixels."""
    height: int
    """Height of the file's own picture, upright, in pixels."""


def open_source(data: bytes) -> OpenedPicture:
    """Open a picture and check its header; no pixel is decoded.

    Raises VisionError `unsupported_image`, `image_unreadable` or `image_too_large`, by the rules
    that the API's checks have too.
    """
    try:
        return open_picture(data)
    except Refused as refusal:
        raise VisionError(refusal.code, refusal.message) from None


def decode(data: bytes, long_edge: int) -> Source:
    """Decode a picture to upright sRGB with straight alpha.

    `long_edge` is the most pixels a side of the result may have: a larger picture is scaled down.

    Raises VisionError like `open_source`.
    """
    opened = open_source(data)
    full = opened.image.size
    try:
        # JPEG decoders can halve while decoding: a 50 megapixel photo then never stands in memory.
        image = opened.load(long_edge)
        alpha = alpha_of(opened, image)
    except Refused as refusal:
        raise VisionError(refusal.code, refusal.message) from None
    orientation = opened.orientation()
    srgb = _to_srgb(opened, image, alpha)
    pixels = _upright(_shrink(srgb, long_edge), orientation)
    turned = orientation >= 5
    width, height = (full[1], full[0]) if turned else full
    rgba = np.array(pixels.convert("RGBA"))
    rgba[rgba[..., 3] == 0] = CLEAR
    return Source(rgba=rgba, width=width, height=height)


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    for step in UPRIGHT.get(orientation, ()):
        image = image.transpose(step)
    return image


def _shrink(image: Image.Image, long_edge: int) -> Image.Image:
    longest = max(image.size)
    if longest <= long_edge:
        return image
    scale = long_edge / longest
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _to_srgb(opened: OpenedPicture, image: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """RGB or RGBA in sRGB, from any mode a source can have."""
    space = space_of(opened)
    colours = _without_alpha(image)
    if isinstance(space, ColourSpace):
        # Pillow has no way to the low bytes of grey with alpha.
        deep = opened.kind is Kind.PNG and sample_bits(opened.data) == 16
        if deep and not has_grey_alpha(opened.data):
            colours = _by_curve(opened, image, space)
            space = space.with_srgb_curve()
        space = space.profile()
    colours = _apply_profile(colours, space)
    rgb = colours if colours.mode == "RGB" else colours.convert("RGB")
    if alpha is None:
        return rgb
    rgb = rgb.copy()
    rgb.putalpha(alpha)
    return rgb


def _by_curve(opened: OpenedPicture, image: Image.Image, space: ColourSpace) -> Image.Image:
    """Grey or RGB of 16 bits to 8 bits of sRGB's curve, a band of rows at a time."""
    table = space.eight_bits()
    if image.mode == "I;16":
        return Image.fromarray(table[np.asarray(image)])
    low = low_bytes(opened.data)
    made = Image.new("RGB", image.size)
    for top in range(0, image.height, ROWS_AT_ONCE):
        band = (0, top, image.width, min(top + ROWS_AT_ONCE, image.height))
        high, rest = (np.asarray(part.crop(band), np.uint16) for part in (image, low))
        # Alpha, where there is one, is no light.
        made.paste(Image.fromarray(table[high * 256 + rest][..., :3]), band)
    return made


def _without_alpha(image: Image.Image) -> Image.Image:
    """Grey, RGB or CMYK of 8 bits."""
    if image.mode.startswith("I"):
        return _to_eight_bits(image)
    # What is to be transparent is known already; Pillow would convert it anew.
    image.info.pop("transparency", None)
    modes = {"1": "L", "LA": "L", "P": "RGB", "PA": "RGB", "RGBA": "RGB"}
    return image.convert(modes[image.mode]) if image.mode in modes else image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey to 8-bit grey. Pillow's own conversion clips instead of scaling."""
    wide = np.asarray(image).astype(np.float32)
    return Image.fromarray(np.clip(wide / 257.0 + 0.5, 0, 255).astype(np.uint8))


def _apply_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert from the profile to sRGB; a broken profile is ignored."""
    if profile is None:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        # Grey may be stored with the profile of a screen.
        if image.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return image if converted is None else converted
