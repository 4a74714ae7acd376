"""Work on many members, of which none stops or delays the others.

A member that is refused, unreadable or broken is set aside for a while, longer each time, and the
rest goes on. A store that is away is nobody's fault: what needs it is tried again with the next
turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog
from opentelemetry.metrics import CallbackOptions, Meter, Observation

log = structlog.get_logger(__name__)

FIRST_PAUSE = 60.0
LONGEST_PAUSE = 600.0
# What is not tried again in this time is there no more.
_FORGET_AFTER = 2 * LONGEST_PAUSE
# A member that takes longer is put off as if its store were away.
MEMBER_SECONDS = 30.0
# So many in a row that find a store away say that it is.
AWAY_IN_A_ROW = 3

Member = TypeVar("Member")
Result = TypeVar("Result")
Errors = tuple[type[Exception], ...]


@dataclass
class _Setback:
    """How often a member failed in a row, and from when on it may be tried again."""

    failures: int
    until: float
    is_set_aside: bool


class Isolation:
    """The members of one loop that fail, by their ids.

    `away` are the errors that say that a store does not answer, `refused` those of them that it
    answered with all the same.
    """

    def __init__(
        self,
        loop: str,
        *,
        away: Errors,
        refused: Errors = (),
        describe: Callable[[Exception], str] = str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.loop = loop
        self._away: Errors = (*away, TimeoutError)
        self._refused = refused
        self._describe = describe
        self._monotonic = monotonic
        self._setbacks: dict[str, _Setback] = {}

    @property
    def set_aside(self) -> int:
        """How many members are set aside, or failed when they were last tried."""
        forgotten = self._monotonic() - _FORGET_AFTER
        for member_id, setback in list(self._setbacks.items()):
            if setback.until < forgotten:
                del self._setbacks[member_id]
        return sum(setback.is_set_aside for setback in self._setbacks.values())

    def is_set_aside(self, member_id: str) -> bool:
        """Whether a member is not to be tried yet."""
        setback = self._setbacks.get(member_id)
        return setback is not None and setback.until > self._monotonic()

    def failed(self, member_id: str, error: Exception) -> float:
        """Notes and logs that a member failed; for how many seconds it is set aside."""
        failures = self._failures_of(member_id) + 1
        if self._is_away(error):
            self._setbacks[member_id] = _Setback(failures, self._monotonic(), is_set_aside=False)
            log.warning(
                "member_postponed", loop=self.loop, member=member_id, error=type(error).__name__
            )
            return 0.0
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
        self._setbacks[member_id] = _Setback(failures, self._monotonic() + pause, is_set_aside=True)
        log.error(
            "member_set_aside",
            loop=self.loop,
            member=member_id,
            error=type(error).__name__,
            words=self._describe(error),
            seconds=pause,
            failures=failures,
        )
        return pause

    def succeeded(self, member_id: str) -> None:
        """Notes that a member is well."""
        self._setbacks.pop(member_id, None)

    async def one(self, member_id: str, work: Callable[[], Awaitable[object]]) -> bool:
        """Does one member's work, unless it is set aside. False where that was not or failed.

        Raises what says that a store is away.
        """
        if self.is_set_aside(member_id):
            return False
        try:
            async with asyncio.timeout(MEMBER_SECONDS):
                await work()
        except Exception as error:
            self.failed(member_id, error)
            if self._is_away(error):
                raise
            return False
        self.succeeded(member_id)
        return True

    async def each(
        self,
        members: Iterable[Member],
        act: Callable[[Member], Awaitable[object]],
        *,
        id_of: Callable[[Member], str],
    ) -> None:
        """Acts on each member but those that are set aside; who failed before comes last.

        Raises what says that a store is away only once several in a row have found it so.
        """
        in_a_row = 0
        for member in sorted(members, key=lambda item: self._failures_of(id_of(item))):
            try:
                await self.one(id_of(member), partial(act, member))
            except self._away:
                in_a_row += 1
                if in_a_row == AWAY_IN_A_ROW:
                    raise
            else:
                in_a_row = 0

    async def at_once(self, work: Iterable[tuple[str, Callable[[], Awaitable[object]]]]) -> None:
        """Does the work of many members, by their ids, at the same time. Raises nothing of theirs:
        what one meets was noted, and is no other's matter."""
        await asyncio.gather(
            *(self.one(member_id, act) for member_id, act in work), return_exceptions=True
        )

    async def together(
        self,
        members: Iterable[Member],
        work: Callable[[list[Member]], Awaitable[Result]],
        *,
        id_of: Callable[[Member], str],
    ) -> list[Result]:
        """Hands all members to `work` but those that are set aside; what came of it.

        Where that fails it is done in halves, down to the one at fault, which is set aside.
        Raises what says that a store is away.
        """
        group = [member for member in members if not self.is_set_aside(id_of(member))]
        return await self._in_halves(group, work, id_of) if group else []

    async def _in_halves(
        self,
        group: Sequence[Member],
        work: Callable[[list[Member]], Awaitable[Result]],
        id_of: Callable[[Member], str],
    ) -> list[Result]:
        try:
            result = await work(list(group))
        except Exception as error:
            if self._is_away(error):
                raise
            if len(group) == 1:
                self.failed(id_of(group[0]), error)
                return []
        else:
            return [result]
        middle = len(group) // 2
        return [
            *await self._in_halves(group[:middle], work, id_of),
            *await self._in_halves(group[middle:], work, id_of),
        ]

    def _is_away(self, error: Exception) -> bool:
        return isinstance(error, self._away) and not isinstance(error, self._refused)

    def _failures_of(self, member_id: str) -> int:
        setback = self._setbacks.get(member_id)
        return setback.failures if setback is not None else 0


class Isolations:
    """The isolation of every loop of a process."""

    def __init__(
        self, *, away: Errors, refused: Errors = (), describe: Callable[[Exception], str] = str
    ) -> None:
        self._away = away
        self._refused = refused
        self._describe = describe
        self._by_loop: dict[str, Isolation] = {}

    @property
    def loops(self) -> list[str]:
        """The loops that isolate their members."""
        return list(self._by_loop)

    def of(self, loop: str) -> Isolation:
        """The isolation of this loop, the same one each time."""
        known = self._by_loop.get(loop)
        if known is None:
            known = self._by_loop[loop] = Isolation(
                loop, away=self._away, refused=self._refused, describe=self._describe
            )
        return known

    def show(self, meter: Meter) -> None:
        """Registers the gauge of what is set aside, which is read when it is scraped."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            for loop, isolation in list(self._by_loop.items()):
                yield Observation(isolation.set_aside, {"loop": loop})

        meter.create_observable_gauge(
            "imagerift_set_aside",
            callbacks=[observe],
            description="Members of a loop that were refused or broke, and wait to be tried again.",
        )
