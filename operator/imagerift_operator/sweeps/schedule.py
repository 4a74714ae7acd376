"""Runs sweeps, each on its own period, while this process leads."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Concatenate, ParamSpec

import structlog
from imagerift_core.isolation import Isolation, Isolations
from imagerift_core.loops import Loops

from imagerift_operator.leadership import Leadership
from imagerift_operator.refusals import AWAY

log = structlog.get_logger(__name__)

Parts = ParamSpec("Parts")

# A resource is usually there milliseconds after its record.
RESOURCE_GRACE = timedelta(seconds=5)


@dataclass(frozen=True)
class Sweep:
    """One sweep: it begins again `period` seconds after its end.

    It takes at most `share` of the time: one that takes long begins again later.
    """

    name: str
    period: float
    run: Callable[[], Awaitable[None]]
    share: float = 1.0

    def with_share(self, share: float) -> Sweep:
        """The same sweep with this share of the time."""
        return replace(self, share=share)


def every(
    period: float,
    function: Callable[Parts, Awaitable[None]],
    *parts: Parts.args,
    **more: Parts.kwargs,
) -> Sweep:
    """A sweep that calls `function` with its parts every `period` seconds."""
    return Sweep(function.__qualname__, period, partial(function, *parts, **more))


def isolating(
    isolations: Isolations,
    period: float,
    function: Callable[Concatenate[Isolation, Parts], Awaitable[None]],
    *parts: Parts.args,
    **more: Parts.kwargs,
) -> Sweep:
    """The same of a function that is first given the isolation of its members."""
    isolated = isolations.of(function.__qualname__)
    return every(period, function, isolated, *parts, **more)


async def repeat(sweep: Sweep, leadership: Leadership, loops: Loops) -> None:
    """Runs a sweep on its period until canceled, whatever it meets."""
    while True:
        began = monotonic()
        if leadership.leading:
            try:
                await sweep.run()
            except (*AWAY, TimeoutError) as error:
                log.warning("sweep_postponed", sweep=sweep.name, error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - it begins again, whatever this is
                loops.broke(sweep.name, error)
        took = monotonic() - began
        await sleep(max(sweep.period, took / sweep.share - took))
