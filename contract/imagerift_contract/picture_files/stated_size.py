"""The size that a file's header states, at the cost of a look: for who decides what may wait."""

from __future__ import annotations

import re

from .kinds import kind_of
from .png_chunks import png_size
from .rules import Kind, Refused
from .webp_chunks import read_header

_LOOKED_AT = 256 * 1024
# Start of frame but for DHT, JPG and DAC: length, precision, height, width.
_FRAME = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf].{3}(.{2})(.{2})", re.DOTALL)
# ISO 23008-12, 6.5.3: each picture's size in an AVIF or a HEIC, its tiles' too.
_EXTENT = re.compile(rb"ispe.{4}(.{4})(.{4})", re.DOTALL)


def stated_pixels(data: bytes) -> int | None:
    """Width times height of the largest picture that the header tells; None where it does not.

    Nothing of it is checked: a file may lie. What is no picture has 0.
    """
    try:
        kind = kind_of(data)
        if kind is Kind.PNG:
            width, height = png_size(data)
        elif kind is Kind.WEBP:
            header = read_header(data)
            width, height = header.width, header.height
        elif kind is Kind.GIF:
            width, height = (int.from_bytes(data[at : at + 2], "little") for at in (6, 8))
        elif kind is Kind.BMP:
            width, height = (
                int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22)
            )
        elif kind in {Kind.JPEG, Kind.AVIF, Kind.HEIC}:
            return _largest(_FRAME if kind is Kind.JPEG else _EXTENT, data)
        else:
            return None
    except (Refused, ValueError):
        # Refused in no time.
        return 0
    return abs(width * height)


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _largest(pattern: re.Pattern[bytes], data: bytes) -> int | None:
    sizes = (
        int.from_bytes(found[1]) * int.from_bytes(found[2])
        for found in pattern.finditer(data[:_LOOKED_AT])
    )
    return max(sizes, default=None)
