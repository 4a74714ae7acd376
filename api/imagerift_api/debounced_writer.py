"""A debounced writer: collects values by key and writes them now and then, aside from requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import structlog
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.isolation import Isolation

# While the store is away no more is kept: what is written like this can be found again or missed.
MAX_KEPT = 100_000
_log = structlog.get_logger()

Value = TypeVar("Value")


class DebouncedWriter(Generic[Value]):
    """Keeps the last value of each key until `write` has taken it.

    What the store refuses of it is left out, and hinders nothing else.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Mapping[str, Value]], Awaitable[None]],
        *,
        seconds: float,
    ) -> None:
        self.name = name
        self._write = write
        self._seconds = seconds
        self._values: dict[str, Value] = {}
        self._isolated = Isolation(name, away=(CapacityUnavailable,))

    def record(self, key: str, value: Value) -> None:
        self._values[key] = value

    async def run(self) -> None:
        """Flushes every so many seconds until canceled."""
        while True:
            await asyncio.sleep(self._seconds)
            await self.flush()

    async def flush(self) -> None:
        """Writes what there is. What finds the store away is kept for the next time."""
        values, self._values = self._values, {}

        async def write(keys: list[str]) -> None:
            await self._write({key: values[key] for key in keys})

        try:
            await self._isolated.together(values, write, id_of=str)
        except CapacityUnavailable:
            _log.warning("not_noted", writer=self.name, values=len(values))
            kept = dict(list(values.items())[:MAX_KEPT])
            self._values = kept | self._values
