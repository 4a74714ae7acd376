"""Has the metrics show what the outbox still has to deliver: the same at every replica."""

from __future__ import annotations

import asyncio

from imagerift_core import clock
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.mongo.deliveries import DeliveryStore

from imagerift_api.metrics import Metrics

PAUSE_SECONDS = 30.0


class BacklogWatch:
    """Counts the outbox now and every half minute."""

    def __init__(self, deliveries: DeliveryStore, metrics: Metrics) -> None:
        self._deliveries = deliveries
        self._metrics = metrics

    async def run(self) -> None:
        """Works until canceled; while MongoDB is away nothing is shown, rather than what was."""
        while True:
            await self.look()
            await asyncio.sleep(PAUSE_SECONDS)

    async def look(self) -> None:
        """Counts once."""
        try:
            backlog = await self._deliveries.backlog(at=clock.now())
        except CapacityUnavailable:
            backlog = None
        self._metrics.webhook_backlog(backlog)
