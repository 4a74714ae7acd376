"""The calls that one model server takes at once."""

from __future__ import annotations

from typing import Self


class Slots:
    """`size` slots, of which `busy` are taken by calls that have not answered yet.

    Fewer than are taken is no error: what was begun is ended.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._taken: set[Slot] = set()

    @property
    def busy(self) -> int:
        return len(self._taken)

    @property
    def free(self) -> int:
        return max(0, self.size - self.busy)

    def acquire(self) -> Slot:
        """Takes a slot at once; used as a context manager it is free again at the block's end."""
        slot = Slot(self._taken)
        self._taken.add(slot)
        return slot


class Slot:
    """A slot that was taken, until it is released. Releasing it again changes nothing."""

    def __init__(self, taken: set[Slot]) -> None:
        self._taken = taken

    def release(self) -> None:
        self._taken.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
