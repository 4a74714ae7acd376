"""Recounts now and then what was charged, so that a wrong charge is seen before a customer's."""

from __future__ import annotations

from datetime import datetime

import structlog
from imagerift_core.clock import now
from imagerift_core.mongo.audit import QuotaAudit

from imagerift_operator.leadership import Leadership
from imagerift_operator.metrics import Metrics
from imagerift_operator.sweeps.schedule import Sweep, every

log = structlog.get_logger(__name__)

# Recounting reads the whole ledger, so it is rare, and takes a hundredth of the time at most.
AUDIT_SECONDS = 3_600
AUDIT_SHARE = 0.01


class ChargeAudit:
    """The last recount; the leader alone shows it."""

    def __init__(self, audit: QuotaAudit, leadership: Leadership) -> None:
        self._audit = audit
        self._leadership = leadership
        self._wrong: int | None = None
        self._at: datetime | None = None

    def sweep(self) -> Sweep:
        return every(AUDIT_SECONDS, self.look).with_share(AUDIT_SHARE)

    async def look(self) -> None:
        """Recounts. Raises `CapacityUnavailable` where the store is away or takes too long."""
        found = await self._audit.differences()
        for each in found:
            log.error(
                "counter_differs",
                counter=each.counter,
                field=each.field,
                stored=each.stored,
                recounted=each.recomputed,
            )
        self._wrong, self._at = len(found), now()

    def show(self, metrics: Metrics) -> None:
        metrics.watch("imagerift_wrong_charges", "Counters that a recount refutes.", self._shown)
        metrics.watch(
            "imagerift_charges_recounted_timestamp_seconds", "When that was.", self._shown_at
        )

    def _shown(self) -> float | None:
        return self._wrong if self._leadership.leading else None

    def _shown_at(self) -> float | None:
        if self._at is None or not self._leadership.leading:
            return None
        return self._at.timestamp()
