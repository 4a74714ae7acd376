"""Writes HEVC pictures (ITU-T H.265) without losing a bit: every block as it is, `pcm_flag`.

There is no encoder without GPL parts in any package; a picture of plain samples needs little of
one. Runs in the models' environment and in the services'.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 16
# By state, what the less likely value takes of the range while that is at its most (table 9-52).
LESS_LIKELY = (
    *(240, 227, 216, 205, 195, 185, 175, 166, 158, 150, 142, 135, 128, 122, 116, 110),
    *(104, 99, 94, 89, 85, 80, 76, 72, 69, 65, 62, 59, 56, 53, 50, 48),
    *(45, 43, 41, 39, 37, 35, 33, 31, 30, 28, 27, 25, 24, 23, 22, 21),
    *(20, 19, 18, 17, 16, 15, 14, 14, 13, 12, 12, 11, 11, 10, 9),
)
VIDEO_SET, SEQUENCE_SET, PICTURE_SET, SLICE = 32, 33, 34, 20
INTRA_SLICE = 2
# Primaries, transfer, matrix and full range: sRGB as JPEG has it.
SRGB = (1, 13, 6, 1)


@dataclass(frozen=True)
class Planes:
    """Samples of luma [H, W] and of both colours, each at half size or at the same, or none."""

    luma: NDArray[np.uint16]
    colours: tuple[NDArray[np.uint16], ...] = ()
    depth: int = 8

    @property
    def chroma_format(self) -> int:
        if not self.colours:
            return 0
        return 3 if self.colours[0].shape == self.luma.shape else 1


class Bits:
    def __init__(self) -> None:
        self.text: list[str] = []

    def put(self, value: int, count: int) -> Bits:
        self.text.append(f"{value:0{count}b}" if count else "")
        return self

    def exp_golomb(self, *values: int) -> Bits:
        for value in values:
            digits = f"{value + 1:b}"
            self.text.append("0" * (len(digits) - 1) + digits)
        return self

    def flags(self, text: str) -> Bits:
        self.text.append(text)
        return self

    def aligned(self) -> bytes:
        text = "".join(self.text)
        text += "0" * (-len(text) % 8)
        return int(text or "0", 2).to_bytes(len(text) // 8)


def parameter_sets(planes: Planes) -> list[bytes]:
    """Units for the video, the sequence and the picture."""
    return [
        unit(VIDEO_SET, _ended(_video_set())),
        unit(SEQUENCE_SET, _ended(_sequence_set(planes))),
        unit(PICTURE_SET, _ended(_picture_set())),
    ]


def slice_unit(planes: Planes) -> bytes:
    """The whole picture as one slice."""
    header = Bits().flags("10").exp_golomb(0, INTRA_SLICE, 0).flags("1")
    return unit(SLICE, header.aligned() + _blocks(planes))


def unit(kind: int, body: bytes, layer: int = 0) -> bytes:
    """A unit of the network abstraction layer; no three bytes in it look like a start."""
    escaped = bytearray()
    zeros = 0
    for byte in body:
        if zeros == 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes([kind << 1 | layer >> 5, (layer & 31) << 3 | 1]) + bytes(escaped)


def _ended(bits: Bits) -> bytes:
    return bits.flags("1").aligned()


def _profile() -> str:
    """Format range extensions, at the highest level."""
    compatible = "".join("1" if i == 4 else "0" for i in range(32))
    return f"000{4:05b}{compatible}1001{'0' * 43}0{186:08b}"


def _video_set() -> Bits:
    bits = Bits().put(0, 4).flags("11").put(0, 6).put(0, 3).flags("1").put(0xFFFF, 16)
    bits.flags(_profile()).flags("1").exp_golomb(0, 0, 0)
    return bits.put(0, 6).exp_golomb(0).flags("00")


def _sequence_set(planes: Planes) -> Bits:
    height, width = planes.luma.shape
    bits = Bits().put(0, 4).put(0, 3).flags("1").flags(_profile())
    bits.exp_golomb(0, planes.chroma_format)
    if planes.chroma_format == 3:
        bits.flags("0")
    behind = [-width % BLOCK, -height % BLOCK]
    bits.exp_golomb(width + behind[0], height + behind[1])
    if any(behind):
        unit_size = 2 if planes.chroma_format == 1 else 1
        right, below = (size // unit_size for size in behind)
        bits.flags("1").exp_golomb(0, right, 0, below)
    else:
        bits.flags("0")
    bits.exp_golomb(planes.depth - 8, planes.depth - 8, 0).flags("1").exp_golomb(0, 0, 0)
    # Blocks of 16 samples and no others; transforms of 4 to 16; neither lists nor filters.
    bits.exp_golomb(1, 0, 0, 2, 0, 0).flags("000")
    bits.flags("1").put(planes.depth - 1, 4).put(planes.depth - 1, 4).exp_golomb(1, 0).flags("1")
    bits.exp_golomb(0).flags("000")
    # The colours, and that the samples have the full range.
    bits.flags("1" + "00" + "1").put(5, 3).flags("11")
    for number in SRGB[:3]:
        bits.put(number, 8)
    return bits.flags("0" * 7).flags("0")


def _picture_set() -> Bits:
    bits = Bits().exp_golomb(0, 0).flags("00").put(0, 3).flags("00").exp_golomb(0, 0, 0)
    bits.flags("000").exp_golomb(0, 0).flags("0000").flags("000")
    # No deblocking.
    return bits.flags("101").flags("00").exp_golomb(0).flags("00")


def _blocks(planes: Planes) -> bytes:
    """Every block: one bit of context, "as it is", its samples, and whether it is the last."""
    luma = _padded(planes.luma, BLOCK)
    side = BLOCK // 2 if planes.chroma_format == 1 else BLOCK
    colours = [_padded(plane, side) for plane in planes.colours]
    across, down = luma.shape[1] // BLOCK, luma.shape[0] // BLOCK
    coder = _Coder()
    parts = []
    for index in range(across * down):
        y, x = divmod(index, across)
        if index:
            coder.end(0)
        coder.likely()
        coder.end(1)
        parts.append(coder.aligned())
        samples = [luma[y * BLOCK :][:BLOCK, x * BLOCK :][:, :BLOCK]]
        samples += [plane[y * side :][:side, x * side :][:, :side] for plane in colours]
        parts.append(_packed(np.concatenate([part.ravel() for part in samples]), planes.depth))
        coder.begin()
    coder.end(1)
    return b"".join([*parts, coder.aligned()])


def _padded(plane: NDArray[np.uint16], side: int) -> NDArray[np.uint16]:
    height, width = plane.shape
    return np.pad(plane, ((0, -height % side), (0, -width % side)), "edge")


def _packed(samples: NDArray[np.uint16], depth: int) -> bytes:
    if depth == 8:
        return samples.astype(np.uint8).tobytes()
    bits = samples[:, None] >> np.arange(depth - 1, -1, -1) & 1
    return np.packbits(bits.astype(np.uint8)).tobytes()


class _Coder:
    """The arithmetic coder (9.3.4.3 in reverse), of one context whose likely value alone occurs."""

    def __init__(self) -> None:
        self._state = 0
        self.begin()

    def begin(self) -> None:
        self._low, self._range, self._first, self._waiting = 0, 510, True, 0
        self._bits = Bits()

    def likely(self) -> None:
        # Its range is at its most here: it is the first value, or the second after a 0 of `end`.
        self._range -= LESS_LIKELY[self._state]
        self._state = min(self._state + 1, len(LESS_LIKELY) - 1)
        self._renormalise()

    def end(self, value: int) -> None:
        self._range -= 2
        if not value:
            self._renormalise()
            return
        self._low += self._range
        self._range = 2
        self._renormalise()
        self._put(self._low >> 9 & 1)
        self._bits.put(self._low >> 7 & 3 | 1, 2)

    def aligned(self) -> bytes:
        return self._bits.aligned()

    def _renormalise(self) -> None:
        while self._range < 256:
            if self._low < 256:
                self._put(0)
            elif self._low >= 512:
                self._low -= 512
                self._put(1)
            else:
                self._low -= 256
                self._waiting += 1
            self._range <<= 1
            self._low <<= 1

    def _put(self, bit: int) -> None:
        if self._first:
            self._first = False
        else:
            self._bits.put(bit, 1)
        self._bits.text.extend(str(1 - bit) * self._waiting)
        self._waiting = 0
