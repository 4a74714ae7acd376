"""Waits and event streams: what they tell, when they end, and how many there may be."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from imagerift_core import clock
from imagerift_core.mongo import stream_leases
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.scheduler_snapshot import JobProgress, SchedulerSnapshot
from imagerift_core.mongo.stream_leases import StreamLeaseStore
from imagerift_core.object_keys import thumbnail_key

from tests.integration.api.harness import Answer, Api, MongoCommands, Tenant, settings_of
from tests.support import job_states
from tests.support.job_records import broken
from tests.support.pictures import encode, picture

SECONDS = 100


class Events:
    """The events of an open stream, one by one."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> dict[str, str] | None:
        """The next event's fields; None at the end of the stream."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(SECONDS):
            while line := await self.response.content.readline():
                text = line.decode().rstrip("\r\n")
                if not text and fields:
                    return fields
                if text and not text.startswith(":"):
                    name, _, value = text.partition(": ")
                    fields[name] = value
        return None

    async def job(self) -> dict[str, Any]:
        event = await self.next()
        assert event is not None
        found: dict[str, Any] = json.loads(event["data"])
        return found


@asynccontextmanager
async def stream(api: Api, tenant: Tenant, job_id: str, **headers: str) -> AsyncIterator[Events]:
    path = f"/api/v1/jobs/{job_id}/events"
    async with api.http.get(path, headers=tenant.headers | headers) as response:
        yield Events(response)


async def generate(api: Api, tenant: Tenant, *, prefer: str) -> Answer:
    body = {"mode": "style", "prompt": "p", "imageBase64": encode(picture())}
    headers = tenant.headers | {"Prefer": prefer}
    return await api.call("POST", "/api/v1/generate", json=body, headers=headers)


async def open_leases(api: Api, tenant: Tenant) -> int:
    row = await api.database.streams.find_one({"_id": tenant.workspace})
    return len(row["leases"]) if row else 0


async def until_free(api: Api, tenant: Tenant) -> None:
    end = time.monotonic() + SECONDS
    while await open_leases(api, tenant):
        assert time.monotonic() < end, "a stream stays open"
        await asyncio.sleep(0.05)


async def test_a_stream_tells_the_job_then_each_change_and_ends_with_it(
    api: Api, tenant: Tenant
) -> None:
    job_id = (await api.generate(tenant)).body["jobId"]

    async with stream(api, tenant, job_id) as events:
        assert events.response.status == 200
        assert events.response.content_type == "text/event-stream"
        first = await events.next()
        assert first is not None
        assert first["event"] == "job"
        snapshot = json.loads(first["data"])
        polled = await api.call("GET", f"/api/v1/jobs/{job_id}", headers=tenant.headers)
        assert snapshot | {"rateLimit": 0} == polled.body | {"rateLimit": 0}
        claimed = await job_states.begin(api.stores.jobs, job_id)
        assert (await events.job())["status"] == "processing"
        await api.stores.settlements.settle([broken(claimed)], at=clock.now())
        last = await events.next()
        assert last is not None
        assert json.loads(last["data"])["status"] == "failed"
        assert last["id"] != first["id"]
        assert await events.next() is None

    await until_free(api, tenant)
    async with stream(api, tenant, job_id, **{"Last-Event-ID": last["id"]}) as again:
        assert again.response.status == 204
    async with stream(api, tenant, job_id, **{"Last-Event-ID": first["id"]}) as again:
        assert (await again.job())["status"] == "failed"
        assert await again.next() is None


async def test_a_running_job_tells_how_far_it_is_in_reads_and_streams(
    api: Api, tenant: Tenant
) -> None:
    job_id = (await api.generate(tenant)).body["jobId"]
    claimed = await job_states.begin(api.stores.jobs, job_id)

    async def at_step(step: int, attempt: int = 1) -> None:
        progress = JobProgress(
            attempt=attempt, stage="model", step=step, steps=30, variation=0, share=step / 30
        )
        # Of a time at which it is not stale for a while.
        at = clock.now() + timedelta(minutes=5)
        snapshot = SchedulerSnapshot(
            _id=api.settings.namespace, at=at, places={}, progress={job_id: progress}
        )
        await api.stores.snapshots.write(snapshot)

    async with stream(api, tenant, job_id) as events:
        first = await events.next()
        assert first is not None
        assert json.loads(first["data"])["status"] == "processing"
        for step in (6, 12):
            await at_step(step)
            event = await events.next()
            assert event is not None
            assert set(event) == {"event", "data"}, "only a change of the job has an id"
            told = json.loads(event["data"])
            assert event["event"] == "progress"
            assert (told["step"], told["steps"], told["share"]) == (step, 30, step / 30)
            polled = await api.call("GET", f"/api/v1/jobs/{job_id}", headers=tenant.headers)
            assert polled.body["progress"] == told
        await api.stores.settlements.settle([broken(claimed)], at=clock.now())
        last = await events.next()
        assert last is not None
        assert last["event"] == "job"
        assert json.loads(last["data"])["progress"] is None
        assert await events.next() is None


async def write_progress(api: Api, job_id: str, **told: Any) -> None:
    """What an operator writes each second, of a time at which it is not stale for a while."""
    progress = JobProgress(stage="model", variation=0, share=0.5, **told)
    at = clock.now() + timedelta(minutes=5)
    snapshot = SchedulerSnapshot(
        _id=api.settings.namespace, at=at, places={}, progress={job_id: progress}
    )
    await api.stores.snapshots.write(snapshot)


async def test_pictures_that_are_finished_are_shown_before_their_job_is(
    api: Api, tenant: Tenant
) -> None:
    job_id = (await api.generate(tenant, variations=3, seed=41)).body["jobId"]
    claimed = await job_states.begin(api.stores.jobs, job_id)
    for index in (0, 2):
        key = thumbnail_key(tenant.workspace, job_id, claimed.attempt, index)
        await api.store.put(key, b"a WebP", content_type="image/webp")
    async with stream(api, tenant, job_id) as events:
        assert (await events.job())["partialOutputs"] == []
        previews = []
        for shown in ([0], [0, 2]):
            await write_progress(api, job_id, attempt=claimed.attempt, shown=shown)
            told: dict[str, str] = {}
            for _ in range(2):
                event = await events.next()
                assert event is not None
                told[event["event"]] = event["data"]
            assert list(told) == ["progress", "preview"]
            previews.append(json.loads(told["preview"]))
        polled = await api.call("GET", f"/api/v1/jobs/{job_id}", headers=tenant.headers)
        found = polled.body["partialOutputs"]
        assert (polled.body["outputs"], polled.body["thumbnailUrl"]) == ([], None)
        assert [without_url(one) for one in found] == [without_url(one) for one in previews]
        assert [(one["index"], one["variation"], one["seed"]) for one in found] == [
            (0, 0, 41),
            (2, 2, 43),
        ]
        for one in (*found, *previews):
            async with api.http.get(one["thumbnailUrl"]) as answer:
                assert (answer.status, await answer.read()) == (200, b"a WebP")
        listed = await api.call("GET", "/api/v1/jobs", headers=tenant.headers)
        assert listed.body["data"][0]["partialOutputs"] == []
        assert polled.body["quota"]["charged"] is False
        # Whoever comes later has missed none.
        async with stream(api, tenant, job_id) as late:
            assert (await late.job())["partialOutputs"] != []
            again = [await late.next() for _ in range(2)]
            assert [event and event["event"] for event in again] == ["preview", "preview"]
        await api.call("POST", f"/api/v1/jobs/{job_id}/cancel", headers=tenant.headers)
        canceled = await api.call("GET", f"/api/v1/jobs/{job_id}", headers=tenant.headers)
        assert canceled.body["status"] == "processing"
        assert canceled.body["partialOutputs"] == [], "it is charged nothing"


def without_url(shown: dict[str, Any]) -> dict[str, Any]:
    """What is the same whenever its URL was signed."""
    return {name: value for name, value in shown.items() if "thumbnail" not in name}


async def test_where_previews_are_off_nothing_is_shown_before_its_job_is(
    environment: dict[str, str],
) -> None:
    async with Api(settings_of(environment, previews=False)) as api:
        await api.until_ready()
        tenant = await api.tenant()
        job_id = (await api.generate(tenant, variations=2)).body["jobId"]
        claimed = await job_states.begin(api.stores.jobs, job_id)
        await write_progress(api, job_id, attempt=claimed.attempt, shown=[0])
        end = time.monotonic() + SECONDS
        while True:
            job = (await api.call("GET", f"/api/v1/jobs/{job_id}", headers=tenant.headers)).body
            if job["progress"] is not None:
                break
            assert time.monotonic() < end, "the snapshot is not read"
            await asyncio.sleep(0.05)
        assert job["partialOutputs"] == []


async def test_what_an_earlier_attempt_told_is_not_shown_of_the_next(
    api: Api, tenant: Tenant
) -> None:
    first, second, waiting = [(await api.generate(tenant)).body["jobId"] for _ in range(3)]
    for job_id in (first, second):
        await job_states.begin(api.stores.jobs, job_id)
    told = {
        job_id: JobProgress(attempt=attempt, stage="model", variation=0, share=0.5)
        for job_id, attempt in ((first, 0), (second, 1), (waiting, 0))
    }
    at = clock.now() + timedelta(minutes=5)
    await api.stores.snapshots.write(
        SchedulerSnapshot(_id=api.settings.namespace, at=at, places={}, progress=told)
    )

    async def shown(job_id: str) -> Any:
        answer = await api.call("GET", f"/api/v1/jobs/{job_id}", headers=tenant.headers)
        return answer.body["progress"]

    end = time.monotonic() + SECONDS
    while await shown(second) is None:
        assert time.monotonic() < end, "the snapshot is not read"
        await asyncio.sleep(0.05)
    assert [await shown(job_id) for job_id in (first, waiting)] == [None, None]


async def test_many_streams_of_a_job_share_one_change_stream(
    mongo_commands: MongoCommands, environment: dict[str, str]
) -> None:
    async with Api(settings_of(environment)) as api:
        await api.until_ready()
        tenant = await api.tenant()
        job_id = (await api.generate(tenant)).body["jobId"]
        seen = mongo_commands.start()
        open_streams = [stream(api, tenant, job_id) for _ in range(5)]
        events = [await opened.__aenter__() for opened in open_streams]
        for one in events:
            await one.job()

        await job_states.begin(api.stores.jobs, job_id)

        for one in events:
            assert (await one.job())["status"] == "processing"
        mongo_commands.stop()
        for opened in open_streams:
            await opened.__aexit__(None, None, None)
    assert seen.count(("aggregate", "jobs")) == 1


async def test_another_workspaces_job_has_no_stream(api: Api, tenant: Tenant) -> None:
    foreign = (await api.generate(await api.tenant())).body["jobId"]

    answer = await api.call("GET", f"/api/v1/jobs/{foreign}/events", headers=tenant.headers)

    assert (answer.status, answer.body["code"]) == (404, "job_not_found")
    assert await open_leases(api, tenant) == 0


async def test_a_stream_ends_within_five_seconds_of_revocation(api: Api, tenant: Tenant) -> None:
    job_id = (await api.generate(tenant)).body["jobId"]
    async with stream(api, tenant, job_id) as events:
        await events.job()
        await api.database.api_keys.update_one(
            {"_id": tenant.key_id}, {"$set": {"revoked_at": clock.now()}}
        )
        started = time.monotonic()

        assert await events.next() is None

        assert time.monotonic() - started < SECONDS


async def test_a_stream_of_a_deleted_job_ends(api: Api, tenant: Tenant) -> None:
    job_id = (await api.generate(tenant)).body["jobId"]
    async with stream(api, tenant, job_id) as events:
        await events.job()
        await api.database.jobs.delete_one({"_id": job_id})

        assert await events.next() is None


async def test_a_wait_is_answered_as_soon_as_the_job_has_ended(api: Api, tenant: Tenant) -> None:
    async def end_it() -> None:
        end = time.monotonic() + SECONDS
        query = {"workspace": tenant.workspace}
        while (row := await api.database.jobs.find_one(query)) is None:
            assert time.monotonic() < end, "the job is not accepted"
            await asyncio.sleep(0.02)
        claimed = await job_states.begin(api.stores.jobs, row["_id"])
        await api.stores.settlements.settle([broken(claimed)], at=clock.now())

    started = time.monotonic()
    answer, _ = await asyncio.gather(generate(api, tenant, prefer="wait=30"), end_it())

    assert (answer.status, answer.body["status"]) == (200, "failed")
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert time.monotonic() - started < 28


async def test_a_wait_that_is_over_answers_202(api: Api, tenant: Tenant) -> None:
    started = time.monotonic()

    answer = await generate(api, tenant, prefer="respond-async, wait=1")

    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("prefer", ["wait=0", "wait=-1", "wait", "wait=soon", "return=minimal"])
async def test_what_is_no_wait_is_not_applied(api: Api, tenant: Tenant, prefer: str) -> None:
    answer = await generate(api, tenant, prefer=prefer)

    assert answer.status == 202
    assert "Preference-Applied" not in answer.headers


async def test_ten_may_be_open_and_the_eleventh_is_refused_before_anything_is_accepted(
    api: Api, tenant: Tenant, environment: dict[str, str]
) -> None:
    job_id = (await api.generate(tenant)).body["jobId"]
    async with Api(settings_of(environment)) as other:
        await other.until_ready()
        open_streams = [stream((api, other)[n % 2], tenant, job_id) for n in range(10)]
        events = await asyncio.gather(*(opened.__aenter__() for opened in open_streams))
        assert {one.response.status for one in events} == {200}

        refused = await generate(other, tenant, prefer="wait=5")
        streamed = await api.call("GET", f"/api/v1/jobs/{job_id}/events", headers=tenant.headers)

        for answer in (refused, streamed):
            assert (answer.status, answer.body["code"]) == (429, "too_many_streams")
            assert int(answer.headers["Retry-After"]) >= 1
        assert await api.jobs_of(tenant) == 1
        for opened in open_streams:
            await opened.__aexit__(None, None, None)
        await until_free(api, tenant)
        async with stream(api, tenant, job_id) as again:
            assert again.response.status == 200


async def test_leases_of_the_dead_expire_and_the_limit_is_exact(
    api: Api, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    database: Database = api.database

    async def take(name: str) -> bool:
        return await StreamLeaseStore(database).take(tenant.workspace, name, limit=10)

    taken = await asyncio.gather(*(take(f"lease-{n}") for n in range(40)))
    assert sum(taken) == 10
    held = f"lease-{taken.index(True)}"
    assert await take(held)
    assert not await take("another")

    monkeypatch.setattr(stream_leases, "LEASE_SECONDS", -1)
    assert await take(held)
    monkeypatch.undo()
    assert await take("another")
