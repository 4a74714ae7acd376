"""Reads numbers of any count of bits, as the headers of video codecs have them."""

from __future__ import annotations

_MAX_LEADING_ZEROS = 32


class BitReader:
    """Reads from the first bit on; behind the last byte all bits are 0."""

    def __init__(self, body: bytes) -> None:
        self._bits = int.from_bytes(body)
        self._count = 8 * len(body)
        self._offset = 0

    def take(self, count: int) -> int:
        self._offset += count
        behind = self._count - self._offset
        value = self._bits >> behind if behind >= 0 else self._bits << -behind
        return value & (1 << count) - 1

    def take_exp_golomb(self) -> int:
        """An unsigned Exp-Golomb number, `ue(v)`. Raises `ValueError` for one of over 32 bits."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _MAX_LEADING_ZEROS:
                raise ValueError("no number")
        return (1 << zeros) - 1 + self.take(zeros)
