"""Which resources there are: on the API server, in the records and in this process's index."""

from __future__ import annotations

from typing import Any

import structlog
from imagerift_core.clock import now
from imagerift_core.isolation import Isolation
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.kube import Kube
from imagerift_core.mongo.job_lists import LiveResource
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.resources import ORIGIN_LABEL, build_generation_job

from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_index import JobIndex
from imagerift_operator.job_watch import DELETED_REASON, JobWatch
from imagerift_operator.memory import Memory
from imagerift_operator.metrics import Metrics
from imagerift_operator.sweeps.schedule import RESOURCE_GRACE

log = structlog.get_logger(__name__)

# How much of the time a comparison may take: listing thousands of resources costs the API server
# seconds.
COMPARING_SHARE = 0.05


async def create_missing_resources(
    isolated: Isolation,
    jobs: JobStore,
    kube: Kube,
    index: JobIndex,
    metrics: Metrics,
    *,
    namespace: str,
) -> None:
    """Makes resources that queued records lack, and keeps the uids of those that are there."""
    without_uid = await jobs.without_resource(
        namespace=namespace, created_before=now() - RESOURCE_GRACE
    )
    uids: dict[str, str] = {}
    missing = []
    for record in without_uid:
        entry = index.by_job_id(record.id)
        if entry is not None and entry.by_api and entry.matches(record):
            uids[record.id] = entry.uid
        else:
            missing.append(record)

    async def note(group: list[str]) -> None:
        await jobs.set_resource_uids({job_id: uids[job_id] for job_id in group})

    async def make(record: JobRecord) -> None:
        uid = await _made(kube, record, metrics)
        if uid is not None:
            await jobs.set_resource_uids({record.id: uid})

    await isolated.together(uids, note, id_of=str)
    await isolated.each(missing, make, id_of=lambda record: record.id)


async def _made(kube: Kube, record: JobRecord, metrics: Metrics) -> str | None:
    """The uid of the record's resource, made now if need be; None where its name is taken."""
    created = await kube.create_job(build_generation_job(record))
    if created is not None:
        metrics.kubernetes_write("create")
    resource = created or await kube.get_job(record.resource_name)
    if resource is None:
        return None
    metadata = resource["metadata"]
    if (metadata.get("labels") or {}).get(ORIGIN_LABEL) != "api":
        log.error("resource_name_taken", job=record.id)
        return None
    uid: str = metadata["uid"]
    return uid


async def compare_with_server(
    isolated: Isolation,
    jobs: JobStore,
    kube: Kube,
    memory: Memory,
    watch: JobWatch,
    *,
    namespace: str,
) -> None:
    """Takes changes that the watch missed from the server's list, and cancels jobs whose
    resource is gone."""
    # What is younger may have come while the pages were read.
    before = now() - RESOURCE_GRACE
    # Only uids are kept: tens of thousands of bodies and records would stay in memory.
    listed = set()

    async def catch_up(body: dict[str, Any]) -> None:
        if memory.index.has_missed(body):
            watch.observe(None, body)

    async for body in kube.list_jobs():
        listed.add(body["metadata"]["uid"])
        await isolated.each([body], catch_up, id_of=lambda seen: seen["metadata"]["name"])

    async def forget(entry: JobEntry) -> None:
        if await _really_gone(kube, entry.name, entry.uid):
            watch.resource_deleted(entry)

    async def cancel(resource: LiveResource) -> None:
        if await _really_gone(kube, resource.name, resource.uid):
            await _cancel_deleted(jobs, memory, resource)

    missed = [
        entry for entry in memory.index if entry.uid not in listed and entry.created_at < before
    ]
    await isolated.each(missed, forget, id_of=lambda entry: entry.name)
    unlisted = [
        resource
        async for resource in jobs.live_resources(namespace=namespace, created_before=before)
        if resource.uid not in listed
    ]
    await isolated.each(unlisted, cancel, id_of=lambda resource: resource.name)


async def _really_gone(kube: Kube, name: str, uid: str) -> bool:
    body = await kube.get_job(name)
    return body is None or body["metadata"]["uid"] != uid


async def _cancel_deleted(jobs: JobStore, memory: Memory, resource: LiveResource) -> None:
    job_id, workspace = resource.job_id, resource.workspace
    after = await jobs.cancel_queued(job_id, workspace=workspace, reason=DELETED_REASON, at=now())
    if after is None:
        after = await jobs.ask_cancel(job_id, workspace=workspace, reason=DELETED_REASON)
    if after is not None and after.status is Status.PROCESSING:
        await memory.in_flight.cancel(job_id)
    memory.scheduler.remove(job_id)
