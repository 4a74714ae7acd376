"""Opens a source picture: its container is checked before a decoder sees it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import pi_heif.options
from pi_heif.as_plugin import HeifImageFile
from PIL import AvifImagePlugin, Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from .avif_boxes import check_avif, code_points_of
from .gif_blocks import check_gif
from .heic_boxes import check_heic, still_alone
from .jpeg_segments import check_segments
from .kinds import kind_of
from .png_chunks import check_chunks, png_size
from .rules import (
    MAX_METADATA_BYTES,
    Kind,
    Refused,
    animated,
    check_profile,
    check_size,
    damaged,
    unsupported,
)
from .tiff_tags import check_tiff, orientation_of
from .webp_chunks import read_header

# Each thread has frames of its own.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
pi_heif.options.DECODE_THREADS = 0
# What else stands in a HEIC is not read.
pi_heif.options.THUMBNAILS = False
pi_heif.options.DEPTH_IMAGES = False
pi_heif.options.AUX_IMAGES = False
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "I;16", "I;16B"}
# Of several frames or pages the first is the picture, of a HEIC's the primary one.
_FIRST_OF_SEVERAL = {Kind.GIF, Kind.TIFF, Kind.HEIC}
_END_MARKER = b"\xff\xd9"
# What a decoder makes of each, where it still wants bits, differs.
_BEHIND = (b"", b"\0", b"\x55", b"\xaa", b"\xfe")
# Five decodes at full size: some 100 MB each, one after the other.
_MAX_MENDED_PIXELS = 12_500_000


@dataclass(frozen=True)
class OpenedPicture:
    """A picture whose header was read; no pixel is decoded yet."""

    data: bytes
    kind: Kind
    image: ImageFile

    def load(self, within: int | None = None) -> Image.Image:
        """Decodes the picture; a JPEG at half its size or less while no side falls below `within`.

        Raises `Refused` where the pixels are damaged.
        """
        try:
            return _load(self.image, within)
        except MemoryError:
            raise
        except Exception as error:
            if self.kind is Kind.JPEG and self._lacks_the_end_marker_alone():
                return _load(_opened_jpeg(self.data + _END_MARKER), within)
            raise damaged() from error

    def orientation(self) -> int:
        """How EXIF says that the loaded picture lies, 1 to 8. XMP has no say, as in browsers."""
        # Pillow turns a TIFF itself. A HEIC's own properties turn it, and its decoder obeys them:
        # what EXIF says beside them is no second turn (ISO 23008-12, annex A.2.1).
        if self.kind in {Kind.TIFF, Kind.HEIC}:
            return 1
        return orientation_of(self.image.info.get("exif") or b"")

    def code_points(self) -> tuple[int, int] | None:
        """Primaries and transfer (ITU-T H.273) where AVIF or HEIC tell its colours by numbers."""
        if self.kind is Kind.HEIC:
            told = self.image.info.get("nclx_profile")
            return (told["color_primaries"], told["transfer_characteristics"]) if told else None
        return code_points_of(self.data) if self.kind is Kind.AVIF else None

    def _lacks_the_end_marker_alone(self) -> bool:
        """Whether every pixel is there: what is put behind the file then changes none of them."""
        width, height = self.image.size
        # A progressive one may lack whole scans, which nothing tells.
        if "progressive" in self.image.info or width * height > _MAX_MENDED_PIXELS:
            return False
        data = self.data.rstrip(b"\xff")
        digests = set()
        for behind in _BEHIND:
            try:
                image = _load(_opened_jpeg(data + behind * 2_000 + _END_MARKER), None)
            except OSError:
                return False
            digests.add(hashlib.sha256(image.tobytes()).digest())
        return len(digests) == 1


def open_picture(data: bytes) -> OpenedPicture:
    """Reads and checks a picture's header, and its container as far as pixels are not needed.

    Raises `Refused`.
    """
    kind = kind_of(data)
    try:
        image = _OPENERS[kind](data)
    except (Refused, MemoryError):
        raise
    except Exception as error:
        # Parsers of hostile bytes raise anything.
        raise damaged() from error
    check_size(*image.size)
    if kind not in _FIRST_OF_SEVERAL and getattr(image, "is_animated", False):
        raise animated()
    check_profile(len(image.info.get("icc_profile") or b""))
    if image.mode not in _MODES:
        raise unsupported("The image's pixels are of a kind that is not taken.")
    # Pillow turns a TIFF by it where there is no EXIF.
    image.info.pop("xmp", None)
    return OpenedPicture(data, kind, image)


def _load(image: ImageFile, within: int | None) -> Image.Image:
    if within is not None:
        image.draft(image.mode, (within, within))
    told = image.size
    image.load()
    if isinstance(image, _PrimaryPicture):
        if image.size != told:
            raise ValueError("another size than the file told")
        if image.mode == "RGBa":
            return image.convert("RGBA")
    return image


def _opened_jpeg(data: bytes) -> ImageFile:
    check_segments(data)
    # Phones put a depth or gain map behind the picture. Pillow's `open` then gives a picture of
    # several frames; read as the JPEG that it is, it is the first alone.
    return JpegImageFile(io.BytesIO(data))


def _opened_png(data: bytes) -> ImageFile:
    check_size(*png_size(data))
    check_chunks(data, max_metadata_bytes=MAX_METADATA_BYTES)
    return PngImageFile(io.BytesIO(data))


def _opened_webp(data: bytes) -> ImageFile:
    header = read_header(data)
    check_size(header.width, header.height)
    if header.frames > 1:
        raise animated()
    check_profile(header.profile_bytes)
    return WebPImageFile(io.BytesIO(data))


def _opened_avif(data: bytes) -> ImageFile:
    check_avif(data)
    return AvifImageFile(io.BytesIO(data))


class _PrimaryPicture(HeifImageFile):
    """Of the pictures that a HEIC may hold, the one that it is shown by."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))  # type: ignore[no-untyped-call]

    @property
    def n_frames(self) -> int:
        return 1


def _opened_heic(data: bytes) -> ImageFile:
    check_heic(data)
    return _PrimaryPicture(still_alone(data))


def _opened_gif(data: bytes) -> ImageFile:
    check_gif(data)
    return GifImageFile(io.BytesIO(data))


def _opened_tiff(data: bytes) -> ImageFile:
    check_tiff(data)
    return TiffImageFile(io.BytesIO(data))


def _opened_bmp(data: bytes) -> ImageFile:
    image = BmpImageFile(io.BytesIO(data))
    if any(tile.codec_name != "raw" for tile in image.tile):
        raise unsupported("The BMP is compressed; save it without compression.")
    return image


# Each format's own class, and not Pillow's `open`: that warns of large pictures, which cannot be
# filtered for one of several threads, and takes formats that are not meant.
_OPENERS: dict[Kind, Callable[[bytes], ImageFile]] = {
    Kind.JPEG: _opened_jpeg,
    Kind.PNG: _opened_png,
    Kind.WEBP: _opened_webp,
    Kind.AVIF: _opened_avif,
    Kind.HEIC: _opened_heic,
    Kind.GIF: _opened_gif,
    Kind.TIFF: _opened_tiff,
    Kind.BMP: _opened_bmp,
}
