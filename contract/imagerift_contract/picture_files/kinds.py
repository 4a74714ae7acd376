"""What kind of file some bytes are, whatever the file was named."""

from __future__ import annotations

from .rules import FORMATS, Kind, Refused, animated, unsupported

_STARTS = {
    b"\xff\xd8\xff": Kind.JPEG,
    b"\x89PNG\r\n\x1a\n": Kind.PNG,
    b"GIF87a": Kind.GIF,
    b"GIF89a": Kind.GIF,
    b"II*\0": Kind.TIFF,
    b"MM\0*": Kind.TIFF,
    b"BM": Kind.BMP,
}
# By their codec; the last two are pictures and sequences of any.
_HEIF_BRANDS = {
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
    *(b"mif1", b"msf1"),
}


def kind_of(data: bytes) -> Kind:
    """Raises `Refused` where it is none that is taken."""
    for start, kind in _STARTS.items():
        if data.startswith(start):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Kind.WEBP
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    raise _not_taken()


def _of_brands(data: bytes) -> Kind:
    """Of an ISO base media file: by its major brand, then by those it is compatible with."""
    box = data[: min(int.from_bytes(data[:4]), 256)]
    brands = [box[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))]
    if brands[0] == b"avis":
        raise animated()
    if b"avif" in brands:
        return Kind.AVIF
    if _HEIF_BRANDS & set(brands):
        return Kind.HEIC
    raise _not_taken()


def _not_taken() -> Refused:
    return unsupported(f"The image must be a {FORMATS} file.")
