"""What a real API server or a real bucket refuses of one job is no other job's matter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

import pytest
from imagerift_core import isolation as core_isolation
from imagerift_core.clock import now, rfc3339
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.kube import Kube, connect_kube
from imagerift_core.mongo import Database
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.object_keys import job_prefix
from imagerift_core.resources import build_generation_job
from imagerift_core.s3 import ObjectStore, open_store
from imagerift_core.stored import Unreadable
from imagerift_operator.events import EventWriter
from imagerift_operator.in_flight import InFlight
from imagerift_operator.job_index import JobIndex
from imagerift_operator.job_watch import JobWatch
from imagerift_operator.memory import Memory
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.status_writer import StatusWriter
from imagerift_operator.sweeps.records import verify_ends
from imagerift_operator.sweeps.resources import compare_with_server, create_missing_resources
from imagerift_operator.sweeps.storage import delete_expired_jobs
from kubernetes.aio import client

from tests.contract.conftest import kubeconfig
from tests.contract.kube.conftest import administrator, definitions
from tests.contract.s3.conftest import settings_for
from tests.support import job_states
from tests.support.job_records import make_record
from tests.support.refusing_cluster import WORDS, Policy, policy_on
from tests.support.refusing_store import RefusingStore, refusing_store
from tests.support.server_processes import S3Address
from tests.unit.operator.builders import isolation

__all__ = ["administrator", "definitions", "kubeconfig"]

NOTHING: Any = None
SECONDS = 60


@pytest.fixture
async def namespace(administrator: client.ApiClient, definitions: list[Any]) -> AsyncIterator[str]:
    del definitions
    core = client.CoreV1Api(administrator)
    made = await core.create_namespace({"metadata": {"generateName": "refusals-"}})
    yield made.metadata.name
    await core.delete_namespace(made.metadata.name)


@pytest.fixture
async def kube(kubeconfig: Path, namespace: str) -> AsyncIterator[Kube]:
    async with connect_kube(kubeconfig, namespace) as connected:
        yield connected


async def until(condition: Callable[[], Any]) -> None:
    """Returns once an awaited condition holds."""
    async with asyncio.timeout(SECONDS):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.05)


async def names(kube: Kube) -> set[str]:
    return {body["metadata"]["name"] async for body in kube.list_jobs()}


async def ended(kube: Kube, **status: Any) -> str:
    """The name of a resource whose status says that its job has ended long ago."""
    record = make_record(namespace=kube.namespace)
    made = await kube.create_job(build_generation_job(record))
    assert made is not None
    said = {"phase": "Succeeded", "finishedAt": rfc3339(now() - timedelta(days=1))} | status
    await kube.patch_job_status(record.resource_name, said, uid=made["metadata"]["uid"])
    return record.resource_name


async def index_of(kube: Kube) -> JobIndex:
    index = JobIndex()
    async for body in kube.list_jobs():
        index.observe(body)
    return index


async def is_enforced(kube: Kube, policy: Policy, name: str) -> None:
    """Returns once the API server asks the policy, which takes a moment after it was made."""
    policy.names = {name}

    async def asked() -> bool:
        try:
            body = build_generation_job(make_record(namespace=kube.namespace))
            body["metadata"]["name"] = name
            if policy.verb == "CREATE":
                await kube.create_job(body)
            await kube.delete_job(name)
        except client.ApiException:
            return policy.refused > 0
        return False

    await until(asked)


async def test_a_refused_deletion_keeps_no_other_resource_and_is_made_once_it_may_be(
    administrator: client.ApiClient, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_isolation, "FIRST_PAUSE", 3.0)
    held, *others = [await ended(kube) for _ in range(4)]
    events = EventWriter(kube.events, MagicMock(), identity="operator-1")
    index = await index_of(kube)
    writer = StatusWriter(
        kube, index, MagicMock(), MagicMock(), events, deletions=isolation("deletions")
    )
    async with policy_on(administrator, kube.namespace, "DELETE") as policy:
        await is_enforced(kube, policy, held)
        before = policy.refused
        for entry in index:
            writer.delete_later(entry)
        loops = [asyncio.create_task(writer.run(lambda: True)), asyncio.create_task(events.run())]

        async def others_gone() -> bool:
            return await names(kube) == {held}

        async def told() -> bool:
            found = await client.CoreV1Api(administrator).list_namespaced_event(kube.namespace)
            said = [(event.reason, WORDS in event.message) for event in found.items]
            return said == [("DeleteRefused", True)]

        await until(others_gone)
        await until(told)
        assert policy.refused > before
        assert not any(loop.done() for loop in loops)
        policy.names = set()

        async def gone() -> bool:
            return await names(kube) == set()

        await until(gone)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
    assert len(others) == 3


async def test_a_refused_creation_keeps_no_other_job_from_its_resource(
    administrator: client.ApiClient, kube: Kube, database: Database
) -> None:
    records = [
        await job_states.queued(
            database, namespace=kube.namespace, created_at=now() - timedelta(minutes=9 - number)
        )
        for number in range(4)
    ]
    # What waits longest comes first.
    refused = records[0].resource_name
    jobs, isolated = JobStore(database), isolation()

    async def sweep() -> set[str]:
        await create_missing_resources(
            isolated, jobs, kube, JobIndex(), MagicMock(), namespace=kube.namespace
        )
        return await names(kube)

    async with policy_on(administrator, kube.namespace, "CREATE") as policy:
        await is_enforced(kube, policy, refused)
        assert await sweep() == {record.resource_name for record in records[1:]}
        noted = await jobs.get_many([record.id for record in records])
        assert [job for job in noted if is_missing(noted[job])] == [records[0].id]
        asked = policy.refused
        await sweep()
        assert policy.refused == asked
        assert isolated.set_aside == 1


def is_missing(record: JobRecord | Unreadable) -> bool:
    """Whether nobody has noted a resource of the job."""
    assert isinstance(record, JobRecord)
    return record.resource_uid is None


@pytest.mark.parametrize("finished", ["soon", "9999-12-31T23:59:59Z"])
async def test_an_edited_status_breaks_no_sweep(
    kube: Kube, database: Database, finished: str
) -> None:
    try:
        edited = await ended(kube, finishedAt=finished)
    except client.ApiException as error:
        # A definition that asks for a time lets no other be written.
        assert error.status == 422
        return
    lost = await job_states.queued(
        database, namespace=kube.namespace, created_at=now() - timedelta(minutes=1)
    )
    jobs = JobStore(database)
    await jobs.set_resource_uids({lost.id: "uid-of-one-that-was-deleted"})
    memory = Memory(JobIndex(), Scheduler(), InFlight())
    watch = JobWatch(
        jobs=jobs,
        memory=memory,
        writer=MagicMock(),
        admission=NOTHING,
        plan_limits=NOTHING,
        leadership=cast(Any, SimpleNamespace(leading=False)),
    )
    isolated = isolation()
    await compare_with_server(isolated, jobs, kube, memory, watch, namespace=kube.namespace)
    await watch.close()
    canceled = await jobs.get(lost.id)
    assert canceled is not None and canceled.status is Status.CANCELED
    assert [entry.name for entry in memory.index if entry.ended] == [edited]

    late = [await ended(kube) for _ in range(2)]
    async for body in kube.list_jobs():
        memory.index.observe(body)
    for entry in memory.index:
        memory.index.set_verified(entry, verified=True)
    again: list[str] = []
    writer = SimpleNamespace(delete_later=lambda entry: again.append(entry.name))
    await verify_ends(isolated, jobs, memory.index, cast(Any, writer), NOTHING)
    assert set(late) <= set(again)
    assert isolated.set_aside == 0


async def expired(database: Database, store: ObjectStore, number: int) -> JobRecord:
    record = await job_states.in_status(database, Status.SUCCEEDED)
    for key in {record.source.key} | {key for output in record.outputs for key in output.keys}:
        await store.put(key, b"pixels", content_type="image/webp")
    await database.jobs.update_one(
        {"_id": record.id},
        {"$set": {"expires_at": now() - timedelta(days=9 - number), "resource_uid": None}},
    )
    return record


@pytest.fixture
async def behind(
    s3_address: S3Address, bucket: str
) -> AsyncIterator[tuple[RefusingStore, ObjectStore]]:
    async with (
        refusing_store(s3_address) as (refusing, address),
        open_store(settings_for(address, bucket)) as store,
    ):
        yield refusing, store


async def test_bytes_that_the_bucket_holds_keep_no_other_job(
    database: Database, store: ObjectStore, behind: tuple[RefusingStore, ObjectStore]
) -> None:
    refusing, through = behind
    records = [await expired(database, store, number) for number in range(4)]
    held = records[0]
    refusing.held = {held.source.key}
    jobs, isolated = JobStore(database), isolation()

    async def sweep() -> None:
        await delete_expired_jobs(
            isolated, jobs, through, AsyncMock(spec=Kube), namespace=held.namespace
        )

    await sweep()
    left = await jobs.get_many([record.id for record in records])
    assert set(left) == {held.id}
    # Of the held job, too, all goes but what is held.
    prefix = job_prefix(held.workspace, held.id)
    assert [item.key async for item in store.list_objects(prefix)] == [held.source.key]
    asked = refusing.refused
    await sweep()
    assert refusing.refused == asked

    refusing.held = set()
    isolated.succeeded(held.id)
    await sweep()
    assert await jobs.get_many([held.id]) == {}
    assert [item.key async for item in store.list_objects(prefix)] == []
