"""The background loops of a process: one that dies is begun again, and counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable

import structlog
from opentelemetry.metrics import CallbackOptions, Meter, Observation

log = structlog.get_logger(__name__)

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
# A loop that dies so often keeps dying, and only a new process may mend it. With these pauses that
# takes nine minutes: until then all else goes on, and whoever starts the process anew does not
# take it for one that never came up.
DEATHS = 15
WITHIN = 1_200.0

Sleep = Callable[[float], Awaitable[None]]


class Loops:
    """Supervises loops, which are known by their names."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._restarts: Counter[str] = Counter()
        self._deaths: dict[str, deque[float]] = {}

    @property
    def names(self) -> list[str]:
        """The loops that were started, in their order."""
        return list(self._tasks)

    @property
    def dying(self) -> list[str]:
        """The loops that keep dying."""
        since = self._monotonic() - WITHIN
        return [
            name
            for name, deaths in self._deaths.items()
            if len(deaths) == DEATHS and deaths[0] > since
        ]

    def start(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Runs `loop()` until it returns or `close`; after an error it is called again.

        Raises `ValueError` where there is a loop of that name.
        """
        if name in self._tasks:
            raise ValueError(f"there is a loop {name!r} already")
        self._restarts[name] = 0
        self._deaths[name] = deque(maxlen=DEATHS)
        self._tasks[name] = asyncio.create_task(self._supervised(name, loop), name=name)

    def broke(self, name: str, error: BaseException) -> None:
        """Counts and logs that one turn of a loop has failed, which goes on by itself."""
        self._restarts[name] += 1
        log.error("loop_broke", loop=name, exc_info=error)

    def show(self, meter: Meter) -> None:
        """Registers the counter of restarts, which is read when it is scraped."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            for name, restarts in list(self._restarts.items()):
                yield Observation(restarts, {"loop": name})

        meter.create_observable_counter(
            "imagerift_loop_restarts",
            callbacks=[observe],
            description="How often a background loop broke and began again.",
        )

    async def close(self) -> None:
        """Ends every loop, the last first."""
        for task in reversed(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _supervised(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await loop()
            except asyncio.CancelledError as error:
                if _is_canceled():
                    raise
                # Somebody else's: of something that the loop waited for.
                self.broke(name, error)
            except Exception as error:  # noqa: BLE001 - a loop outlives whatever this is
                self.broke(name, error)
            await self._sleep(self._pause(name))

    def _pause(self, name: str) -> float:
        deaths, at = self._deaths[name], self._monotonic()
        deaths.append(at)
        lately = sum(death > at - WITHIN for death in deaths)
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (lately - 1))


def _is_canceled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
