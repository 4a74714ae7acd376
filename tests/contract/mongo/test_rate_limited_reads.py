"""Polls share their increments and reads; each has its own count and its own job alone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from imagerift_core.mongo import Database
from imagerift_core.mongo.rate_limit import RateWindowStore
from imagerift_core.mongo.rate_limited_reads import Poll, RateLimitedReads

from tests.support.job_records import make_record

NOON = datetime(2126, 11, 22, 12, 0, 30, tzinfo=UTC)


async def job_of(database: Database, workspace: str) -> str:
    record = make_record(workspace=workspace)
    await database.jobs.insert_one(record.document())
    return record.id


async def test_polls_that_come_together_are_counted_one_by_one(database: Database) -> None:
    reads, job = RateLimitedReads(database), await job_of(database, "ws_a")
    await RateWindowStore(database).count("ws_a", limit=30, at=NOON)
    answers = await asyncio.gather(
        *(reads.count_and_read(Poll("ws_a", 30, NOON, job, "ws_a")) for _ in range(60))
    )
    assert sorted(window.count for window, _ in answers) == list(range(2, 62))
    for window, record in answers:
        assert (record is None) == window.exceeded
        assert record is None or record.id == job
    assert (await RateWindowStore(database).count("ws_a", limit=30, at=NOON)).count == 62


async def test_replicas_and_workspaces_together_stay_exact(database: Database) -> None:
    replicas = [RateLimitedReads(database) for _ in range(4)]
    jobs = {name: await job_of(database, name) for name in ("ws_a", "ws_b", "ws_c")}
    answers = await asyncio.gather(
        *(
            replicas[number % 4].count_and_read(Poll(name, 25, NOON, job, name))
            for number in range(40)
            for name, job in jobs.items()
        )
    )
    for name, job in jobs.items():
        own = [
            (w, r) for (w, r), asked in zip(answers, list(jobs) * 40, strict=True) if asked == name
        ]
        assert sorted(window.count for window, _ in own) == list(range(1, 41))
        assert [record.id for _, record in own if record] == [job] * 25


async def test_a_job_is_its_own_workspaces_alone(database: Database) -> None:
    reads, job = RateLimitedReads(database), await job_of(database, "ws_a")
    mine, foreign, unknown = await asyncio.gather(
        reads.count_and_read(Poll("ws_a", 30, NOON, job, "ws_a")),
        reads.count_and_read(Poll("ws_b", 30, NOON, job, "ws_b")),
        reads.count_and_read(Poll("ws_a", 30, NOON, "nothing", "ws_a")),
    )
    assert mine[1] is not None
    assert foreign[1] is None and foreign[0].count == 1
    assert unknown[1] is None


async def test_a_minute_that_turns_between_two_polls_counts_each_in_its_own(
    database: Database,
) -> None:
    reads, job = RateLimitedReads(database), await job_of(database, "ws_a")
    later = NOON.replace(minute=1)
    first, second = await asyncio.gather(
        reads.count_and_read(Poll("ws_a", 30, NOON, job, "ws_a")),
        reads.count_and_read(Poll("ws_a", 30, later, job, "ws_a")),
    )
    assert (first[0].count, second[0].count) == (1, 1)
