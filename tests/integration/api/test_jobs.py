"""Reads, lists and cancels."""

from __future__ import annotations

import asyncio
import io
import time
import uuid
from datetime import timedelta

import pytest
from imagerift_core import clock
from imagerift_core.mongo.scheduler_snapshot import QueuePosition, SchedulerSnapshot
from PIL import Image

from tests.integration.api.harness import Answer, Api, MongoCommands, Tenant, settings_of
from tests.support import job_states
from tests.support.job_records import broken


async def get(api: Api, tenant: Tenant, job_id: str) -> Answer:
    return await api.call("GET", f"/api/v1/jobs/{job_id}", headers=tenant.headers)


async def list_jobs(api: Api, tenant: Tenant, query: str = "") -> Answer:
    return await api.call("GET", f"/api/v1/jobs{query}", headers=tenant.headers)


async def cancel(api: Api, tenant: Tenant, job_id: str) -> Answer:
    return await api.call("POST", f"/api/v1/jobs/{job_id}/cancel", headers=tenant.headers)


async def test_a_poll_answers_with_the_same_job(api: Api, tenant: Tenant) -> None:
    submitted = (await api.generate(tenant)).body

    answer = await get(api, tenant, submitted["jobId"])

    assert answer.status == 200
    changing = {"rateLimit"}
    assert {k: v for k, v in answer.body.items() if k not in changing} == {
        k: v for k, v in submitted.items() if k not in changing
    }
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_poll_is_one_increment_and_one_read(
    mongo_commands: MongoCommands, environment: dict[str, str]
) -> None:
    async with Api(settings_of(environment)) as api:
        await api.until_ready()
        tenant = await api.tenant()
        job_id = (await api.generate(tenant)).body["jobId"]
        await get(api, tenant, job_id)
        sent = []
        for _ in range(10):
            seen = mongo_commands.start()
            await get(api, tenant, job_id)
            mongo_commands.stop()
            sent.append(seen)
    # Now and then the key is read again, or a background loop of the process comes in between.
    assert [("findAndModify", "rate_windows"), ("find", "jobs")] in sent


@pytest.mark.parametrize("name", ["foreign", "unknown", "not-a-uuid", "UPPER"])
async def test_no_job_but_ones_own_is_found(api: Api, tenant: Tenant, name: str) -> None:
    other = await api.tenant()
    foreign = (await api.generate(other)).body["jobId"]
    job_id = {"foreign": foreign, "UPPER": foreign.upper(), "unknown": str(uuid.uuid4())}.get(
        name, name
    )

    for answer in (await get(api, tenant, job_id), await cancel(api, tenant, job_id)):
        assert (answer.status, answer.body["code"]) == (404, "job_not_found")
    assert (await get(api, other, foreign)).body["status"] == "queued"


async def test_a_queued_job_shows_its_place(api: Api, tenant: Tenant) -> None:
    job_id = (await api.generate(tenant)).body["jobId"]
    snapshot = SchedulerSnapshot(
        _id=api.settings.namespace,
        at=clock.now(),
        places={job_id: QueuePosition(position=4, eta_seconds=11.2, reason="waiting_for_turn")},
    )
    await api.stores.snapshots.write(snapshot)

    answer = await get(api, tenant, job_id)
    end = time.monotonic() + 100
    while answer.body["queue"]["position"] is None and time.monotonic() < end:
        await asyncio.sleep(0.05)
        answer = await get(api, tenant, job_id)

    assert answer.body["queue"] == {
        "position": 4,
        "etaSeconds": 11.2,
        "reason": "waiting_for_turn",
    }
    assert answer.headers["Retry-After"] == "12"


async def test_pages_hold_every_job_once_newest_first(api: Api, tenant: Tenant) -> None:
    submitted = [(await api.generate(tenant)).body["jobId"] for _ in range(5)]
    await api.generate(await api.tenant())

    found, query = [], "?limit=2"
    while True:
        page = (await list_jobs(api, tenant, query)).body
        found += [job["jobId"] for job in page["data"]]
        if page["nextCursor"] is None:
            break
        query = f"?limit=2&cursor={page['nextCursor']}"

    assert found == submitted[::-1]


async def test_filters_narrow_a_list(api: Api, tenant: Tenant) -> None:
    kept = (await api.generate(tenant)).body
    gone = (await api.generate(tenant)).body
    await cancel(api, tenant, gone["jobId"])
    after = (clock.now() + timedelta(hours=1)).isoformat().replace("+00:00", "Z")

    async def ids(query: str) -> set[str]:
        answer = await list_jobs(api, tenant, query)
        assert answer.status == 200, answer.body
        return {job["jobId"] for job in answer.body["data"]}

    both = {kept["jobId"], gone["jobId"]}
    assert await ids("?status=queued") == {kept["jobId"]}
    assert await ids("?status=queued,canceled") == both
    assert await ids("?status=queued&status=canceled") == both
    assert await ids("?mode=style") == both
    assert await ids("?mode=avatar") == set()
    assert await ids(f"?createdAfter={after}") == set()
    assert await ids(f"?createdBefore={after}") == both
    assert gone["jobId"] not in await ids(f"?createdBefore={gone['createdAt']}")


async def test_metadata_narrows_a_list_whatever_its_names(api: Api, tenant: Tenant) -> None:
    pairs = [{"customer": "42", "a.b": "x"}, {"customer": "42", "$where": "$customer"}, {}]
    ids = [(await api.generate(tenant, metadata=pair)).body["jobId"] for pair in pairs]

    async def found(query: str) -> set[str]:
        answer = await list_jobs(api, tenant, query)
        assert answer.status == 200, answer.body
        return {job["jobId"] for job in answer.body["data"]}

    assert await found("?metadata.customer=42") == set(ids[:2])
    assert await found("?metadata.a.b=x") == {ids[0]}
    assert await found("?metadata.customer=42&metadata.a.b=x") == {ids[0]}
    assert await found("?metadata.%24where=%24customer") == {ids[1]}
    assert await found("?metadata.customer=%24customer") == set()
    assert await found("?metadata.customer=42&status=failed") == set()


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("?colour=red", "colour"),
        ("?metadata=x", "metadata"),
        ("?metadata.=x", "metadata."),
        ("?metadata.a%00b=x", "metadata.a\x00b"),
        ("?metadata.a=1&metadata.a=2", "metadata.a"),
        ("?batchId=7", "batchId"),
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?status=done", "status.0"),
        ("?createdAfter=yesterday", "createdAfter"),
        ("?createdAfter=0.5", "createdAfter"),
        ("?createdAfter=2026-01-01T00:00:00", "createdAfter"),
        ("?limit=1&limit=2", "limit"),
        ("?cursor=abc", "cursor"),
        ("?cursor=____________________________________________", "cursor"),
    ],
)
async def test_a_filter_that_cannot_be_meant_is_refused(
    api: Api, tenant: Tenant, query: str, param: str
) -> None:
    answer = await list_jobs(api, tenant, query)

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert answer.body["param"] == param


async def test_a_canceled_job_is_released_and_cancels_again(api: Api, tenant: Tenant) -> None:
    job_id = (await api.generate(tenant, variations=4)).body["jobId"]
    assert await api.counted(tenant) == (0, 4)

    first, second = await cancel(api, tenant, job_id), await cancel(api, tenant, job_id)

    for answer in (first, second):
        assert (answer.status, answer.body["status"]) == (200, "canceled")
        assert answer.body["quota"]["charged"] is False
    assert await api.counted(tenant) == (0, 0)


async def test_a_processing_job_is_marked(api: Api, tenant: Tenant) -> None:
    job_id = (await api.generate(tenant)).body["jobId"]
    await job_states.begin(api.stores.jobs, job_id)

    answer = await cancel(api, tenant, job_id)

    assert (answer.status, answer.body["status"]) == (200, "processing")
    record = await api.stores.jobs.get(job_id)
    assert record is not None
    assert record.cancel_requested


async def test_an_ended_job_cannot_be_canceled(api: Api, tenant: Tenant) -> None:
    job_id = (await api.generate(tenant)).body["jobId"]
    claimed = await job_states.begin(api.stores.jobs, job_id)
    await api.stores.settlements.settle([broken(claimed)], at=clock.now())

    answer = await cancel(api, tenant, job_id)

    assert (answer.status, answer.body["code"]) == (409, "job_not_cancelable")
    assert (await get(api, tenant, job_id)).body["error"]["code"] == "model_error"


async def test_modes_say_what_the_plan_permits(api: Api, tenant: Tenant) -> None:
    answer = await api.call("GET", "/api/v1/modes", headers=tenant.headers)

    style = next(mode for mode in answer.body["data"] if mode["mode"] == "style")
    assert {"exportSize": "base", "permitted": True} in style["exportSizes"]


async def test_every_shipped_mode_and_preset_has_a_picture(api: Api, tenant: Tenant) -> None:
    modes = (await api.call("GET", "/api/v1/modes", headers=tenant.headers)).body["data"]

    for mode in modes:
        assert list(mode["presetPreviewUrls"]) == mode["presets"]
        for path in (mode["previewUrl"], *mode["presetPreviewUrls"].values()):
            async with api.http.get(path) as picture:
                assert picture.status == 200
                assert picture.headers["Content-Type"] == "image/jpeg"
                assert picture.headers["Cache-Control"] == "public, max-age=86400"
                assert picture.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
                assert Image.open(io.BytesIO(await picture.read())).size == (192, 192)
                etag = picture.headers["ETag"]
            async with api.http.get(path, headers={"If-None-Match": etag}) as again:
                assert again.status == 304


async def test_unknown_paths_and_methods_are_problems_too(api: Api) -> None:
    missing = await api.call("GET", "/api/v1/nothing")
    wrong = await api.call("DELETE", "/api/v1/generate")

    assert (missing.status, missing.body["code"]) == (404, "not_found")
    assert (wrong.status, wrong.body["code"]) == (405, "method_not_allowed")
    assert wrong.headers["Allow"] == "POST"
    assert missing.headers["X-Request-Id"] == missing.body["requestId"]
