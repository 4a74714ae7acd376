"""The calls that one model server takes at once."""

from __future__ import annotations

from contextlib import ExitStack


class Slots:
    """`size` slots, of which `busy` are taken by calls that have not answered yet.

    Fewer than are taken is no error: what was begun is ended.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._busy = 0

    @property
    def busy(self) -> int:
        return self._busy

    @property
    def free(self) -> int:
        return max(0, self.size - self._busy)

    def acquire(self) -> ExitStack:
        """Takes a slot at once, which is free again when the context returned is closed."""
        self._busy += 1
        slot = ExitStack()
        slot.callback(self._release)
        return slot

    def _release(self) -> None:
        self._busy -= 1
