"""What the account page shows first: the period's quota, a month of use, recent generations."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web
from imagerift_core import clock, quota
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.job_lists import JobFilter
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.usage import UsageStore
from imagerift_core.plans import Plan
from imagerift_core.s3 import ObjectStore

from imagerift_api.overview.schemas import (
    DayUsage,
    GenerationObject,
    OverviewObject,
    QuotaStanding,
)

DAYS = 30
_GENERATIONS = 12
_PICTURE_SECONDS = 600


class Overviews:
    def __init__(self, jobs: JobStore, usage: UsageStore, store: ObjectStore) -> None:
        self._jobs = jobs
        self._usage = usage
        self._store = store

    async def of(self, workspace: str, plan: Plan) -> OverviewObject:
        """Raises `CapacityUnavailable`."""
        at = clock.now()
        counter = quota.counter_id(workspace, quota.period_of(at))
        first = at.date() - timedelta(days=DAYS - 1)
        standing = await self._usage.standing(counter)
        by_day = await self._usage.by_day(workspace, since=first)
        latest = await self._jobs.page(JobFilter(workspace=workspace), limit=_GENERATIONS)
        return OverviewObject(
            quota=QuotaStanding(
                limit=plan.units_per_month,
                charged=standing.charged,
                reserved=standing.reserved,
                resets_at=quota.period_end(at),
            ),
            days=[
                DayUsage(date=day.isoformat(), units=by_day.get(day, 0))
                for day in (first + timedelta(days=n) for n in range(DAYS))
            ],
            generations=[self._generation(record) for record in latest.records],
        )

    def _generation(self, record: JobRecord) -> GenerationObject:
        first = record.outputs[0] if record.outputs else None
        return GenerationObject(
            job_id=record.id,
            status=record.status,
            mode=record.spec.mode,
            prompt=record.spec.prompt,
            created_at=record.created_at,
            pictures=len(record.outputs),
            picture_url=self._url(record, first.key) if first else None,
            thumbnail_url=self._url(record, first.thumbnail_key) if first else None,
        )

    def _url(self, record: JobRecord, key: str | None) -> str | None:
        if key is None:
            return None
        return self._store.presign_download(
            key, filename=f"imagerift-{record.id}", seconds=_PICTURE_SECONDS
        )


OVERVIEWS = web.AppKey("overviews", Overviews)
