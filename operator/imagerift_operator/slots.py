"""The calls that one model server takes at once."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, suppress

from imagerift_core.triton import ModelServer, TritonRefused, TritonUnavailable


class Slots:
    """`size` slots, of which `busy` are taken by calls that have not answered yet.

    So many as are `asked` for, and no more than the server says that it takes, where it says so;
    where nobody asks, as many as that, and else one. Fewer than are taken is no error: what was
    begun is ended.
    """

    def __init__(self, asked: int | None) -> None:
        self.asked = asked
        self._told: int | None = None
        self._busy = 0

    @property
    def size(self) -> int:
        return min(self.asked or self._told or 1, self._told or self.asked or 1)

    async def learn(self, server: object, models: Iterable[str]) -> None:
        """Asks a server how many calls these models of it take at once; the fewest of them count.

        Where one of them does not say, or the server is away, nothing is known.
        """
        self._told = None
        if isinstance(server, ModelServer):
            with suppress(TritonRefused, TritonUnavailable):
                told = (await server.progress([])).slots
                self._told = min((told.get(model, 0) for model in models), default=0) or None

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
