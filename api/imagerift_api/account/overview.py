"""What the account page shows first: the period's quota, a month of use, recent generations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from imagerift_core import clock, quota
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.usage import UsageStore
from imagerift_core.plans import Plan
from imagerift_core.s3 import ObjectStore

DAYS = 30
_GENERATIONS = 12
_PICTURE_SECONDS = 600


@dataclass(frozen=True)
class Generation:
    """A recent job, with URLs of its first output and thumbnail that were signed just now."""

    record: JobRecord
    picture_url: str | None
    thumbnail_url: str | None


@dataclass(frozen=True)
class Overview:
    """`days` are UTC days, oldest first, each with the units that were charged."""

    limit: int
    charged: int
    reserved: int
    resets_at: datetime
    days: list[tuple[date, int]]
    generations: list[Generation]


class AccountOverview:
    def __init__(self, jobs: JobStore, usage: UsageStore, store: ObjectStore) -> None:
        self._jobs = jobs
        self._usage = usage
        self._store = store

    async def of(self, workspace: str, plan: Plan) -> Overview:
        """Raises `CapacityUnavailable`."""
        at = clock.now()
        counter = quota.counter_id(workspace, quota.period_of(at))
        first = at.date() - timedelta(days=DAYS - 1)
        standing = await self._usage.standing(counter)
        by_day = await self._usage.by_day(workspace, since=first)
        records = await self._jobs.page(workspace=workspace, limit=_GENERATIONS)
        return Overview(
            limit=plan.units_per_month,
            charged=standing.charged,
            reserved=standing.reserved,
            resets_at=quota.period_end(at),
            days=[
                (day, by_day.get(day, 0))
                for day in (first + timedelta(days=n) for n in range(DAYS))
            ],
            generations=[self._generation(record) for record in records],
        )

    def _generation(self, record: JobRecord) -> Generation:
        if not record.outputs:
            return Generation(record, None, None)
        first = record.outputs[0]
        return Generation(
            record, self._url(record, first.key), self._url(record, first.thumbnail_key)
        )

    def _url(self, record: JobRecord, key: str | None) -> str | None:
        if key is None:
            return None
        return self._store.presign_download(
            key, filename=f"imagerift-{record.id}", seconds=_PICTURE_SECONDS
        )
