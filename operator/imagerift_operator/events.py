"""Writes Kubernetes Events, in the background and ten a second at most; trouble comes first."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import structlog
from cachetools import TTLCache
from imagerift_core.clock import now
from imagerift_core.jobs import JobRecord
from imagerift_core.kube_calls import KubeRefused, KubeUnavailable, words_of
from imagerift_core.kube_events import EventCalls, Regarding

from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_status import duration
from imagerift_operator.metrics import Metrics

log = structlog.get_logger(__name__)

# Ten a second at most, so that a burst of failures costs the API server next to nothing; what
# does not fit in the queue is dropped, for the status says the same.
PAUSE_SECONDS = 0.1
MAX_WAITING = 500
# The same trouble of the same object is one Event that counts, written once in this time.
REPEAT_AFTER = timedelta(minutes=1)
# Shorter than the hour for which servers keep an Event.
_KNOWN_SECONDS = 1_800
_MAX_KNOWN = 1_000
_MAX_NAME = 200
# An Event that tells of no trouble waits behind so many at most: the rest is for trouble.
MOST_BEFORE_NORMAL = 20
# Jobs that start sooner have gone straight, and say nothing.
SLOW_START = timedelta(seconds=15)

Kind = Literal["Normal", "Warning"]


@dataclass(frozen=True)
class _Event:
    """An Event to write. `name` is set where it happens once in the object's life."""

    regarding: Regarding
    kind: Kind
    reason: str
    note: str
    name: str | None = None


@dataclass
class _WrittenEvent:
    """An Event that is there, how often it has happened, and when that was last written."""

    name: str
    count: int
    at: datetime


class EventWriter:
    """Queues Events without waiting; `run` writes them. What the queue cannot take is dropped."""

    def __init__(self, calls: EventCalls, metrics: Metrics, *, identity: str) -> None:
        self._calls = calls
        self._metrics = metrics
        self._identity = identity
        self._waiting: asyncio.Queue[_Event] = asyncio.Queue(MAX_WAITING)
        self._written: TTLCache[tuple[str, str], _WrittenEvent] = TTLCache(
            _MAX_KNOWN, _KNOWN_SECONDS
        )
        self._dropped = 0

    def job_failed(self, entry: JobEntry, status: dict[str, Any]) -> None:
        """Queues the one Event of a failed job, however often its status is written."""
        self._once(entry, "Warning", status["reason"], status["message"], of="Failed")

    def job_accepted(self, entry: JobEntry) -> None:
        """Queues the one Event of a resource that somebody made by hand and that was admitted."""
        self._once(entry, "Normal", "Accepted", f"Queued as job {entry.job_id}.")

    def job_dispatched(self, entry: JobEntry, record: JobRecord) -> None:
        """Queues that a job is sent to a server, where it has waited for long or has failed."""
        if _went_straight(record):
            return
        began = record.started_at or record.created_at
        note = f"Attempt {record.attempt} is sent to the pool {record.pool}."
        if record.attempt == 1:
            note = f"{note} It has waited for {duration(record.created_at, began)}."
        self.tell(_job(entry), "Normal", "Dispatched", note)

    def job_retried(self, entry: JobEntry, record: JobRecord, code: str) -> None:
        """Queues that an attempt has failed and the job waits for another one."""
        note = f"Attempt {record.attempt} failed ({code}); the job is tried again."
        self.tell(_job(entry), "Warning", "Retried", note)

    def job_preempted(self, entry: JobEntry, record: JobRecord, by: str) -> None:
        """Queues that a job's pod had to make room for others."""
        note = f"The pod of attempt {record.attempt} was taken away for others ({by})."
        self.tell(_job(entry), "Warning", "Preempted", note)

    def job_completed(self, entry: JobEntry, record: JobRecord) -> None:
        """Queues the end of a job that has delivered, where its way was told before."""
        if not _went_straight(record):
            ended = record.completed_at or record.created_at
            took = duration(record.created_at, ended)
            note = f"{len(record.outputs)} output(s) delivered, {took} after it was accepted."
            self._once(entry, "Normal", "Completed", note)

    def _once(self, entry: JobEntry, kind: Kind, reason: str, note: str, of: str = "") -> None:
        """Queues an Event that happens once in a job's life, however often it is told."""
        digest = hashlib.sha256(f"{entry.uid}/{of or reason}".encode()).hexdigest()[:16]
        self._take(_Event(_job(entry), kind, reason, note, f"{_prefix(entry.name)}.{digest}"))

    def tell(self, regarding: Regarding, kind: Kind, reason: str, note: str) -> None:
        """Queues an Event that may happen to the object again: it is counted then."""
        self._take(_Event(regarding, kind, reason, note))

    async def run(self) -> None:
        """Writes queued Events until canceled."""
        while True:
            event = await self._waiting.get()
            try:
                await self._write(event)
            except KubeUnavailable as error:
                log.warning("event_lost", reason=event.reason, error=str(error))
            except KubeRefused as error:
                words = words_of(error)
                log.warning("event_refused", reason=event.reason, status=error.status, words=words)
            except Exception:
                log.exception("event_broke", reason=event.reason)
            finally:
                self._waiting.task_done()
            if self._dropped:
                log.warning("events_dropped", events=self._dropped)
                self._dropped = 0
            await asyncio.sleep(PAUSE_SECONDS)

    def _take(self, event: _Event) -> None:
        if event.kind == "Normal" and self._waiting.qsize() >= MOST_BEFORE_NORMAL:
            return
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self._dropped += 1

    async def _write(self, event: _Event) -> None:
        at = now()
        if event.name is not None:
            await self._create(event, event.name, at)
            return
        key = (event.regarding.uid, event.reason)
        written = self._written.get(key)
        if written is not None:
            written.count += 1
            if at - written.at < REPEAT_AFTER:
                return
            if await self._calls.repeat(written.name, count=written.count, note=event.note, at=at):
                self._metrics.kubernetes_write("event")
                written.at = at
                return
        name = f"{_prefix(event.regarding.name)}.{secrets.token_hex(8)}"
        await self._create(event, name, at)
        self._written[key] = _WrittenEvent(name, 1, at)

    async def _create(self, event: _Event, name: str, at: datetime) -> None:
        created = await self._calls.create(
            name,
            event.regarding,
            kind=event.kind,
            reason=event.reason,
            note=event.note,
            reporter=self._identity,
            at=at,
        )
        if created:
            self._metrics.kubernetes_write("event")


def _job(entry: JobEntry) -> Regarding:
    return Regarding("GenerationJob", entry.name, entry.uid)


def _went_straight(record: JobRecord) -> bool:
    """Whether a job's first attempt began soon."""
    began = record.started_at or record.created_at
    return record.attempt <= 1 and began - record.created_at < SLOW_START


def _prefix(name: str) -> str:
    return name[:_MAX_NAME].rstrip(".-")
