"""Source bytes to upright sRGB pixels, with every limit checked before pixels are made."""

import io
import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile

from imagerift_vision.errors import VisionError

JPEG_START = b"\xff\xd8\xff"
MAX_PIXELS = 50_000_000
MIN_SIDE = 16
MAX_PROFILE_BYTES = 1024 * 1024
# Below this alpha nothing of a picture can be seen.
VISIBLE_ALPHA = 8

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
    """[H, W, 4], sRGB, straight alpha, upright; may be smaller than the file's picture."""
    width: int
    """Width of the file's own picture, upright, in pixels."""
    height: int
    """Height of the file's own picture, upright, in pixels."""


def read_header(data: bytes) -> Image.Image:
    """Open a picture and check its header; no pixel is decoded.

    Raises VisionError `image_unreadable` (no JPEG, PNG or WebP; more than one frame; too small a
    side; oversized metadata) or `image_too_large` (over 50 megapixels).
    """
    try:
        with warnings.catch_warnings():
            # Our own, lower limit is checked below, from the same header.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = _opened(data)
    except Image.DecompressionBombError:
        raise _too_many_pixels() from None
    except Exception:  # noqa: BLE001 - parsers of hostile bytes raise anything
        raise VisionError("image_unreadable", "not a readable JPEG, PNG or WebP image") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels()
    if min(width, height) < MIN_SIDE:
        raise VisionError("image_unreadable", f"a side is shorter than {MIN_SIDE} pixels")
    if getattr(image, "n_frames", 1) > 1:
        raise VisionError("image_unreadable", "the image has more than one frame")
    profile = image.info.get("icc_profile")
    if profile is not None and len(profile) > MAX_PROFILE_BYTES:
        raise VisionError("image_unreadable", "the colour profile is over 1 MiB")
    return image


def _opened(data: bytes) -> Image.Image:
    if data.startswith(JPEG_START):
        # Phones put a depth or gain map behind the picture. Pillow's `open` then gives a picture
        # of several frames; read as the JPEG that it is, it is the first alone.
        return JpegImageFile(io.BytesIO(data))
    return Image.open(io.BytesIO(data), formats=("PNG", "WEBP"))


def decode(data: bytes, long_edge: int) -> Source:
    """Decode a picture to upright sRGB with straight alpha.

    `long_edge` is the most pixels a side of the result may have: a larger picture is scaled down.

    Raises VisionError `image_unreadable` or `image_too_large`.
    """
    image = read_header(data)
    full = image.size
    orientation = _orientation(image)
    # JPEG decoders can halve while decoding: a 50 megapixel photo then never stands in memory.
    image.draft(image.mode, (long_edge, long_edge))
    try:
        image.load()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - decoders of hostile bytes raise anything
        raise VisionError("image_unreadable", "the image is damaged or truncated") from None
    pixels = _upright(_shrink(_to_srgb(image), long_edge), orientation)
    rgba = np.asarray(pixels.convert("RGBA"))
    if int(rgba[..., 3].max()) < VISIBLE_ALPHA:
        raise VisionError("image_unreadable", "the image is fully transparent")
    turned = orientation >= 5
    width, height = (full[1], full[0]) if turned else full
    return Source(rgba=rgba, width=width, height=height)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 when there is none or it cannot be read."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - broken EXIF is common and harmless
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


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


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB or RGBA in sRGB, from any mode a JPEG, PNG or WebP can have."""
    if image.mode.startswith(("I", "F")):
        image = _to_eight_bits(image)
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = _keeping_info(image, "RGBA")
    elif image.mode == "1":
        image = _keeping_info(image, "L")
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colours = image if alpha is None else _keeping_info(image, image.mode[:-1])
    colours = _apply_profile(colours)
    rgb = colours if colours.mode == "RGB" else colours.convert("RGB")
    if alpha is None:
        return rgb
    rgb = rgb.copy()
    rgb.putalpha(alpha)
    return rgb


def _keeping_info(image: Image.Image, mode: str) -> Image.Image:
    converted = image.convert(mode)
    converted.info["icc_profile"] = image.info.get("icc_profile")
    return converted


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey to 8-bit grey. Pillow's own conversion clips instead of scaling."""
    wide = np.asarray(image).astype(np.float32)
    narrow = np.clip(wide / 257.0 + 0.5, 0, 255).astype(np.uint8)
    grey = Image.fromarray(narrow)
    grey.info["icc_profile"] = image.info.get("icc_profile")
    return grey


def _apply_profile(image: Image.Image) -> Image.Image:
    """Convert from the embedded profile to sRGB; a broken profile is ignored."""
    embedded = image.info.get("icc_profile")
    if not embedded or image.mode not in ("RGB", "L", "CMYK"):
        return image
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        converted = ImageCms.profileToProfile(
            image,
            profile,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return image if converted is None else converted


def _too_many_pixels() -> VisionError:
    limit = math.floor(MAX_PIXELS / 1e6)
    return VisionError("image_too_large", f"the image has over {limit} megapixels")
