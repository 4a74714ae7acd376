"""What a caller hears while a part is away."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from imagerift_core.api_keys import new_api_key
from imagerift_core.s3 import ObjectStore
from pymongo import AsyncMongoClient

from tests.integration.api.harness import Api, Tenant, settings_of
from tests.support.server_processes import free_port

ANSWER_SECONDS = 60


async def test_without_kubernetes_submits_and_cancels_go_on(api: Api, tenant: Tenant) -> None:
    started = time.monotonic()

    submitted = await api.generate(tenant)
    canceled = await api.call("POST", submitted.body["urls"]["cancel"], headers=tenant.headers)

    assert (submitted.status, canceled.status) == (202, 200)
    assert time.monotonic() - started < ANSWER_SECONDS
    record = await api.stores.jobs.get(submitted.body["jobId"])
    assert record is not None
    assert record.resource_uid is None


async def test_a_replica_that_mongodb_does_not_know_yet_becomes_ready_once_it_does(
    environment: dict[str, str], database_name: str
) -> None:
    address = environment["IMAGERIFT_MONGO_URL"]
    port = urlsplit(address).port
    late = f"mongodb://late:secret@127.0.0.1:{port}/?replicaSet=rs0&authSource={database_name}"
    async with (
        AsyncMongoClient[dict[str, Any]](address) as admin,
        Api(settings_of(environment | {"IMAGERIFT_MONGO_URL": late})) as api,
    ):
        before = await api.call("GET", "/readyz")
        assert (before.status, before.body["parts"]["indexes"]) == (503, False)

        roles = [{"role": "readWrite", "db": database_name}]
        await admin[database_name].command("createUser", "late", pwd="secret", roles=roles)
        try:
            await api.until_ready()
        finally:
            await admin[database_name].command("dropUser", "late")


async def test_without_mongodb_the_answer_is_503_and_in_time(
    environment: dict[str, str],
) -> None:
    url = f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0"
    async with Api(settings_of(environment | {"IMAGERIFT_MONGO_URL": url})) as alone:
        ready = await alone.call("GET", "/readyz")
        alive = await alone.call("GET", "/healthz")
        started = time.monotonic()

        answer = await alone.call(
            "GET",
            "/api/v1/jobs",
            headers={"Authorization": f"Bearer {new_api_key().token}"},
        )

        assert (answer.status, answer.body["code"]) == (503, "capacity_unavailable")
        assert answer.body["retryable"] is True
        assert int(answer.headers["Retry-After"]) >= 1
        assert time.monotonic() - started < ANSWER_SECONDS
        assert alive.status == 200
        assert (ready.status, ready.body["parts"]["mongodb"]) == (503, False)


async def test_without_s3_a_submit_is_refused_and_reserves_nothing(
    environment: dict[str, str],
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    changed = environment | {"IMAGERIFT_S3_INTERNAL_URL": url}
    async with Api(settings_of(changed)) as alone:
        tenant = await alone.tenant()
        started = time.monotonic()

        answer = await alone.generate(tenant)

        assert (answer.status, answer.body["code"]) == (503, "capacity_unavailable")
        assert time.monotonic() - started < ANSWER_SECONDS
        assert await alone.counted(tenant) == (0, 0)
        assert await alone.jobs_of(tenant) == 0
        # Reads go on.
        listed = await alone.call("GET", "/api/v1/jobs", headers=tenant.headers)
        assert listed.status == 200
        ready = await alone.call("GET", "/readyz")
        assert (ready.status, ready.body["parts"]["s3"]) == (503, False)


async def test_a_replica_is_not_ready_while_the_stores_clocks_differ(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hour_ahead(_: ObjectStore) -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)

    monkeypatch.setattr(ObjectStore, "time", hour_ahead)
    async with Api(settings_of(environment)) as alone, asyncio.timeout(ANSWER_SECONDS):
        answer = await alone.call("GET", "/readyz")
        while not answer.body["parts"]["indexes"]:
            answer = await alone.call("GET", "/readyz")
    well = {"mongodb": True, "s3": True, "indexes": True}
    assert (answer.status, answer.body["parts"]) == (503, well | {"clock": False})
