"""Walks a JPEG's segments and scans without making pixels (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .rules import Refused, check_size, unsupported
from .tiff_tags import check_exif

_EXIF = 0xE1
_EXIF_NAME = b"Exif\0\0"
_START_OF_SCAN, _END = 0xDA, 0xD9
# Start of frame, SOF0 to SOF15, without DHT, JPG and DAC, which lie among them.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# TEM and the restarts stand alone; every other marker has a length behind it.
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
# What stands in a scan and is no byte of it: not a stuffed byte, nor a restart. Readers skip what
# stands between segments, too.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_MAX_SEGMENTS = 2_000
# Encoders write some ten, and never more than a hundred.
_MAX_SCANS = 100
# Blocks of 8 x 8 samples that all scans together go through, some 60 ns of CPU each at least. A
# picture of 50 megapixels with the scans of common encoders has 6 million.
_MAX_BLOCKS_DECODED = 24_000_000
# A reader keeps the coefficients of all blocks, 128 bytes each, where there are several scans.
_MAX_COEFFICIENT_BYTES = 320 * 1024 * 1024
_BLOCK_BYTES = 128


@dataclass
class _Frame:
    """Blocks of each component, by its id."""

    blocks: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.blocks.values())


def check_segments(data: bytes) -> None:
    """Bounds what a reader has to do: segments, scans, blocks in all scans, coefficients, EXIF.

    Whether the segments are right is for the reader to say. Raises `Refused` for more work than
    any camera or encoder makes, `ValueError` for more segments or EXIF that claims too much.
    """
    exif, frame, scans, decoded, offset = b"", _Frame(), 0, 0, 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, offset)
        if found is None or found[1][0] == _END:
            break
        marker, start = found[1][0], found.end()
        if marker in _ALONE:
            offset = start
            continue
        end = start + int.from_bytes(data[start : start + 2])
        offset = max(end, start)
        if marker == _EXIF and data.startswith(_EXIF_NAME, start + 2):
            # Readers join what is split.
            exif += data[start + 8 : end]
        elif marker in _FRAMES and not frame.blocks:
            frame = _frame(data[start:end])
        elif marker == _START_OF_SCAN:
            scans += 1
            decoded += _blocks_of_scan(data[start:end], frame)
            _check_work(scans, decoded, frame.total)
    else:
        raise ValueError("too many segments")
    check_exif(exif)


def _check_work(scans: int, decoded: int, blocks: int) -> None:
    if scans > _MAX_SCANS or decoded > _MAX_BLOCKS_DECODED:
        raise unsupported("The JPEG has more scans than any encoder writes; save it again.")
    if scans > 1 and blocks * _BLOCK_BYTES > _MAX_COEFFICIENT_BYTES:
        raise Refused(
            "image_too_large",
            "The JPEG is too large for one of several scans (progressive); save it without them.",
        )


def _frame(header: bytes) -> _Frame:
    """Length, precision, height, width, number of components; of each id, sampling, table."""
    height, width = int.from_bytes(header[3:5]), int.from_bytes(header[5:7])
    if height and width:
        check_size(width, height)
    parts = [header[at : at + 2] for at in range(8, 8 + 3 * header[7], 3)] if header[7:8] else []
    sampling = {part[0]: (part[1] >> 4, part[1] & 15) for part in parts if len(part) == 2}
    widest = max([across for across, _ in sampling.values()] + [1])
    highest = max([down for _, down in sampling.values()] + [1])
    # Whole blocks of each unit of all components, as readers keep them.
    across_units, down_units = -(-width // (8 * widest)), -(-height // (8 * highest))
    return _Frame(
        {
            name: across_units * across * down_units * down
            for name, (across, down) in sampling.items()
        }
    )


def _blocks_of_scan(header: bytes, frame: _Frame) -> int:
    """Length, number of components; of each id and tables."""
    named = header[3 : 3 + 2 * header[2] : 2] if header[2:3] else b""
    if any(name not in frame.blocks for name in named):
        return frame.total
    return sum(frame.blocks[name] for name in named)
