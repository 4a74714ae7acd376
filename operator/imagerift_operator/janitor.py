"""Brings to rest whatever was missed: each sweep compares two truths and repairs one of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from imagerift_core.clock import now
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.kube import Kube, KubeUnavailable
from imagerift_core.mongo import (
    Database,
    abandoned,
    jobs,
    transitions,
    uploads,
)
from imagerift_core.object_keys import job_of_key, job_prefix
from imagerift_core.resources import ORIGIN_LABEL, build_generation_job
from imagerift_core.s3 import ObjectStore

from imagerift_operator.dispatcher import Dispatcher
from imagerift_operator.entries import Entry, entry_of
from imagerift_operator.job_feed import DELETED_REASON, JobFeed
from imagerift_operator.leadership import Leadership
from imagerift_operator.metrics import Metrics
from imagerift_operator.projection import refusal
from imagerift_operator.queue_publisher import QueuePublisher
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.status_writer import StatusWriter

log = structlog.get_logger(__name__)

# A resource is usually there milliseconds after its record.
RESOURCE_GRACE = timedelta(seconds=5)
# How much of the time a comparison may take: listing thousands of resources costs the API server
# seconds.
COMPARING_SHARE = 0.05


@dataclass(frozen=True)
class Patience:
    """How long the sweeps wait before they take what they find for what stays so.

    A record is committed before its resource is made, so after `record_grace` one that is
    missing stays missing. No upload of a live attempt is older than `bytes_grace`.
    `compare_every` is the least seconds between two comparisons with the API server's own list;
    they lie further apart where they take long.
    """

    compare_every: float = 30.0
    record_grace: timedelta = timedelta(seconds=30)
    bytes_grace: timedelta = timedelta(hours=2)


PATIENCE = Patience()


class Janitor:
    """Sweeps, each on its own period, while this process leads."""

    def __init__(
        self,
        *,
        database: Database,
        store: ObjectStore,
        kube: Kube,
        feed: JobFeed,
        scheduler: Scheduler,
        dispatcher: Dispatcher,
        writer: StatusWriter,
        leadership: Leadership,
        queue: QueuePublisher,
        metrics: Metrics,
        namespace: str,
        patience: Patience = PATIENCE,
    ) -> None:
        self._patience = patience
        self._database = database
        self._store = store
        self._kube = kube
        self._feed = feed
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._writer = writer
        self._leadership = leadership
        self._queue = queue
        self._metrics = metrics
        self._namespace = namespace

    async def run(self) -> None:
        """Runs every sweep on its period until canceled."""
        sweeps: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (1, self._queue.publish_queue),
            (1, self.end_abandoned_transactions),
            (2, self._queue.waiting_reasons.tell),
            (2, self.recover_attempts),
            (2, self.fail_overdue),
            (2, self.verify_ends),
            (5, self.create_missing_resources),
            (10, self.settle_unqueued),
            (60, self.delete_expired),
            (60, self.delete_expired_uploads),
            (self._patience.bytes_grace.total_seconds() / 12, self.delete_orphaned_bytes),
        ]
        async with asyncio.TaskGroup() as group:
            for period, sweep in sweeps:
                group.create_task(self._repeat(period, sweep))
            every = self._patience.compare_every
            group.create_task(self._repeat(every, self.compare_with_server, share=COMPARING_SHARE))

    async def _repeat(
        self, period: float, sweep: Callable[[], Awaitable[None]], *, share: float = 1.0
    ) -> None:
        """Runs a sweep again `period` seconds after its end, later if it takes over its share."""
        while True:
            began = time.monotonic()
            if self._leadership.leading:
                try:
                    await sweep()
                except (CapacityUnavailable, KubeUnavailable) as error:
                    log.warning("sweep_postponed", sweep=sweep.__name__, error=type(error).__name__)
                except Exception:
                    log.exception("sweep_broke", sweep=sweep.__name__)
            took = time.monotonic() - began
            await asyncio.sleep(max(period, took / share - took))

    async def end_abandoned_transactions(self) -> None:
        """Transactions of processes that died or stand still, which hold up everybody else."""
        ended = await abandoned.end_abandoned_transactions(self._database)
        if ended:
            log.info("abandoned_transactions_ended", transactions=ended)

    async def recover_attempts(self) -> None:
        """Processing records that no task of ours is running, and cancels still to be passed on."""
        processing = [
            record async for record in jobs.processing(self._database, namespace=self._namespace)
        ]
        for record in processing:
            if record.id in self._dispatcher.in_flight:
                if record.cancel_requested:
                    await self._dispatcher.cancel_in_flight(record.id)
            elif self._leadership.leading:
                await self._dispatcher.take_over(self._entry_for(record), record)

    async def fail_overdue(self) -> None:
        """Queued jobs whose deadline passed before a slot came free."""
        at = now()
        overdue = [
            record
            async for record in jobs.overdue(self._database, namespace=self._namespace, at=at)
        ]
        for record in overdue:
            failed = await transitions.fail_overdue(self._database, record.id, at=at)
            if failed is None:
                continue
            self._scheduler.remove(record.id)
            self._metrics.ended(failed.status.value)
            entry = self._feed.entries.get(failed.resource_uid or "")
            if entry is not None:
                await self._writer.write(entry, failed)

    async def create_missing_resources(self) -> None:
        """Queued records without a resource: only the note of it, or the resource, is missing."""
        unnoted = [
            record
            async for record in jobs.without_resource(
                self._database,
                namespace=self._namespace,
                created_before=now() - RESOURCE_GRACE,
            )
        ]
        if not unnoted:
            return
        seen = {entry.job_id: entry for entry in self._feed.entries.values() if entry.by_api}
        notes, missing = {}, []
        for record in unnoted:
            entry = seen.get(record.id)
            if entry is not None and entry.is_of(record):
                notes[record.id] = entry.uid
            else:
                missing.append(record)
        if notes:
            await transitions.note_resources(self._database, notes)
        for record in missing:
            created = await self._kube.create_job(build_generation_job(record))
            if created is not None:
                self._metrics.kubernetes_write("create")
            resource = created or await self._kube.get_job(record.resource_name)
            if resource is None:
                continue
            labels = resource["metadata"].get("labels") or {}
            if labels.get(ORIGIN_LABEL) != "api":
                log.error("resource_name_taken", job=record.id)
                continue
            await transitions.note_resource(self._database, record.id, resource["metadata"]["uid"])

    async def settle_unqueued(self) -> None:
        """Live resources that are neither queued nor in flight: their records say what is next."""
        idle = [
            entry
            for entry in list(self._feed.entries.values())
            if not entry.ended
            and entry.job_id not in self._scheduler
            and entry.job_id not in self._dispatcher.in_flight
        ]
        for start in range(0, len(idle), 500):
            batch = idle[start : start + 500]
            records = await jobs.get_many(self._database, [entry.job_id for entry in batch])
            for entry in batch:
                await self._settle_unqueued(entry, records.get(entry.job_id))

    async def _settle_unqueued(self, entry: Entry, record: JobRecord | None) -> None:
        if record is not None and entry.is_of(record):
            await self._dispatcher.reconcile(entry)
        elif not entry.by_api:
            await self._feed.bring_in(entry)
        elif now() - entry.created_at > self._patience.record_grace:
            message = "No admitted job belongs to this resource."
            await self._writer.write_status(entry, refusal("not_admitted", message, at=now()))

    async def verify_ends(self) -> None:
        """Ended resources: their records say whether it is an end, where we did not write it."""
        ended = [entry for entry in list(self._feed.entries.values()) if entry.ended]
        late = now() - RESOURCE_GRACE
        for entry in ended:
            # A deletion, or the news of it, was lost.
            if entry.verified and entry.delete_at is not None and entry.delete_at < late:
                self._writer.delete_later(entry)
        unverified = [entry for entry in ended if not entry.verified]
        for start in range(0, len(unverified), 500):
            batch = unverified[start : start + 500]
            records = await jobs.get_many(self._database, [entry.job_id for entry in batch])
            for entry in batch:
                record = records.get(entry.job_id)
                live = record is not None and entry.is_of(record) and not record.status.terminal
                if record is None or not live:
                    entry.verified = True
                    self._writer.delete_later(entry)
                    continue
                log.warning("status_repaired", job=entry.job_id, phase=entry.phase)
                entry.phase = "Queued"
                await self._writer.write(entry, record)
                await self._dispatcher.reconcile(entry)

    async def compare_with_server(self) -> None:
        """Changes that the watch missed, and records whose seen resource is gone."""
        # What is younger may have come while the pages were read.
        before = now() - RESOURCE_GRACE
        # Only uids are kept: tens of thousands of bodies and records would stay in memory.
        listed = set()
        async for body in self._kube.list_jobs():
            listed.add(body["metadata"]["uid"])
            if self._feed.has_missed(body):
                self._feed.observe(None, body)
        for entry in list(self._feed.entries.values()):
            missed = entry.uid not in listed and entry.created_at < before
            if missed and await self._really_gone(entry.name, entry.uid):
                self._feed.gone(entry)
        unlisted = [
            resource
            async for resource in jobs.live_resources(
                self._database, namespace=self._namespace, created_before=before
            )
            if resource.uid not in listed
        ]
        for resource in unlisted:
            if await self._really_gone(resource.name, resource.uid):
                await self._cancel_deleted(resource)

    async def _really_gone(self, name: str, uid: str) -> bool:
        body = await self._kube.get_job(name)
        return body is None or body["metadata"]["uid"] != uid

    async def _cancel_deleted(self, resource: jobs.LiveResource) -> None:
        job_id, workspace = resource.job_id, resource.workspace
        after = await transitions.cancel_queued(
            self._database, job_id, workspace=workspace, reason=DELETED_REASON, at=now()
        )
        if after is None:
            after = await transitions.ask_cancel(
                self._database, job_id, workspace=workspace, reason=DELETED_REASON
            )
        if after is not None and after.status is Status.PROCESSING:
            await self._dispatcher.cancel_in_flight(job_id)
        self._scheduler.remove(job_id)

    async def delete_expired(self) -> None:
        """Ended jobs whose retention is over: the resource, then the bytes, then the record."""
        expired = [
            record
            async for record in jobs.expired(self._database, namespace=self._namespace, at=now())
        ]
        for record in expired:
            if record.resource_uid is not None:
                await self._kube.delete_job(record.resource_name, uid=record.resource_uid)
            await self._store.delete_prefix(job_prefix(record.workspace, record.id))
            await transitions.forget(self._database, record.id, at=now())

    async def delete_expired_uploads(self) -> None:
        """Uploads that no job used in time: the bytes, then what is known of them."""
        at = now()
        expired = [
            upload
            async for upload in uploads.expired(self._database, namespace=self._namespace, at=at)
        ]
        for upload in expired:
            await self._store.delete([upload.key])
            await uploads.forget(self._database, upload.id, at=at)

    async def delete_orphaned_bytes(self) -> None:
        """Objects of jobs that no record names, left by attempts and processes that died."""
        before = now() - self._patience.bytes_grace
        batch: dict[str, list[str]] = {}
        async for item in self._store.list_objects("workspaces/"):
            owner = job_of_key(item.key)
            if owner is None or item.modified_at > before:
                continue
            batch.setdefault(owner[1], []).append(item.key)
            if len(batch) > 500:
                await self._delete_unnamed(batch, before)
                batch = {}
        await self._delete_unnamed(batch, before)

    async def _delete_unnamed(self, batch: dict[str, list[str]], before: datetime) -> None:
        records = await jobs.get_many(self._database, list(batch))
        doomed = []
        for job_id, keys in batch.items():
            record = records.get(job_id)
            if record is None:
                doomed += keys
            elif record.status.terminal and (record.completed_at or before) <= before:
                named = {record.source.key} | {
                    key for output in record.outputs for key in output.keys
                }
                doomed += [key for key in keys if key not in named]
        if doomed:
            log.info("orphaned_bytes_deleted", objects=len(doomed))
            await self._store.delete(doomed)

    def _entry_for(self, record: JobRecord) -> Entry:
        """The index's entry of a record, or one made up where the resource was not seen yet."""
        known = self._feed.entries.get(record.resource_uid or "")
        if known is not None:
            return known
        body = build_generation_job(record)
        body["metadata"]["uid"] = record.resource_uid or ""
        body["metadata"]["creationTimestamp"] = record.created_at.isoformat()
        entry = entry_of(body)
        entry.job_id, entry.band = record.id, record.band
        return entry
