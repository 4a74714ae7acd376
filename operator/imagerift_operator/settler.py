"""Settles ended attempts in groups: jobs that end close together share one transaction."""

from __future__ import annotations

import asyncio

import stamina
import structlog
from imagerift_core.clock import now
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.jobs import JobRecord
from imagerift_core.micro_batching import Throttle
from imagerift_core.mongo.settlement import Settlements
from imagerift_core.settlement_rules import Settlement

from imagerift_operator.metrics import Metrics

# Under load an end is told this much later, and its transaction is shared by several.
GROUP_PAUSE_SECONDS = 0.04
log = structlog.get_logger(__name__)


class Superseded(Exception):
    """The attempt no longer holds the job: another one settles it."""


class SetAside(Exception):
    """The store refused this settlement for good; people have to look at it."""


class Settler:
    """Collects settlements while a transaction runs, then writes them in the next one."""

    def __init__(self, settlements: Settlements, metrics: Metrics, *, group_size: int) -> None:
        self._settlements = settlements
        self._metrics = metrics
        self._group_size = group_size
        self._throttle = Throttle(GROUP_PAUSE_SECONDS)
        self._waiting: asyncio.Queue[tuple[Settlement, asyncio.Future[JobRecord]]] = asyncio.Queue()

    async def settle(self, ended: Settlement) -> JobRecord:
        """The record as settled. While the store is away this waits for it.

        Raises `Superseded` or `SetAside`.
        """
        done: asyncio.Future[JobRecord] = asyncio.get_running_loop().create_future()
        await self._waiting.put((ended, done))
        return await done

    async def run(self) -> None:
        """Settles until canceled."""
        while True:
            group = [await self._waiting.get()]
            if self._waiting.qsize() < self._group_size - 1:
                await self._throttle.wait()
            self._throttle.begin()
            while len(group) < self._group_size and not self._waiting.empty():
                group.append(self._waiting.get_nowait())
            try:
                await self._settle(group)
            except Exception as error:  # noqa: BLE001 - raised to those who wait
                for _, done in group:
                    if not done.done():
                        done.set_exception(error)

    async def _settle(self, group: list[tuple[Settlement, asyncio.Future[JobRecord]]]) -> None:
        members = [member for member, _ in group]
        async for attempt in stamina.retry_context(
            on=CapacityUnavailable, attempts=None, timeout=None, wait_initial=0.2, wait_max=5.0
        ):
            with attempt:
                result = await self._settlements.settle(members, at=now())
        self._metrics.settled(len(members))
        for member, done in group:
            if done.done():
                continue
            record = result.settled.get(member.job_id)
            if record is not None:
                done.set_result(record)
            elif member.job_id in result.set_aside:
                error = result.set_aside[member.job_id]
                log.error("settlement_set_aside", job=member.job_id, error=error)
                done.set_exception(SetAside(error))
            else:
                done.set_exception(Superseded(member.job_id))
