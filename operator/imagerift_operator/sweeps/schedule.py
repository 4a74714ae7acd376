"""Runs sweeps, each on its own period, while this process leads."""

from __future__ import annotations

from asyncio import TaskGroup, sleep
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import ParamSpec

import structlog
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.kube import KubeUnavailable

from imagerift_operator.leadership import Leadership

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


async def run_sweeps(sweeps: Iterable[Sweep], leadership: Leadership) -> None:
    """Runs every sweep on its period until canceled."""
    async with TaskGroup() as group:
        for sweep in sweeps:
            group.create_task(_repeat(sweep, leadership), name=sweep.name)


async def _repeat(sweep: Sweep, leadership: Leadership) -> None:
    while True:
        began = monotonic()
        if leadership.leading:
            try:
                await sweep.run()
            except (CapacityUnavailable, KubeUnavailable) as error:
                log.warning("sweep_postponed", sweep=sweep.name, error=type(error).__name__)
            except Exception:
                log.exception("sweep_broke", sweep=sweep.name)
        took = monotonic() - began
        await sleep(max(sweep.period, took / sweep.share - took))
