"""Turns what the watch says of GenerationJobs into an index, a queue, and reactions."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from imagerift_core.clock import now
from imagerift_core.errors import CapacityUnavailable, DomainError, JobNotCancelable, JobNotFound
from imagerift_core.jobs import Status
from imagerift_core.kube import KubeUnavailable
from imagerift_core.mongo import Database, jobs, transitions

from imagerift_operator.admission import HandMadeAdmission
from imagerift_operator.dispatcher import Dispatcher
from imagerift_operator.entries import Entry, entry_of
from imagerift_operator.leadership import Leadership
from imagerift_operator.projection import refusal
from imagerift_operator.queue_terms import PlanTerms
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.status_writer import StatusWriter

log = structlog.get_logger(__name__)

DELETED_REASON = "The GenerationJob resource was deleted."
CANCEL_REASON = "Canceled by spec.cancel."


class JobFeed:
    """The index of live resources, kept by every replica; only the leader reacts.

    `observe` must be cheap: it runs once for every event of the watch.
    """

    def __init__(
        self,
        *,
        database: Database,
        scheduler: Scheduler,
        dispatcher: Dispatcher,
        writer: StatusWriter,
        admission: HandMadeAdmission,
        terms: PlanTerms,
        leadership: Leadership,
        ttl_override: int | None,
    ) -> None:
        self._database = database
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._writer = writer
        self._admission = admission
        self._terms = terms
        self._leadership = leadership
        self._ttl_override = ttl_override
        self._tasks: set[asyncio.Task[None]] = set()
        self.entries: dict[str, Entry] = {}
        self._hand_made: dict[str, dict[str, Any]] = {}

    def observe(self, event_type: str | None, body: dict[str, Any]) -> None:
        """Takes one event: ADDED, MODIFIED, DELETED, or None for the first listing."""
        entry = entry_of(body)
        if event_type == "DELETED":
            self.gone(entry)
            return
        if self._ttl_override is not None:
            entry.ttl_seconds = self._ttl_override
        known = self.entries.get(entry.uid)
        if known is not None:
            known.phase, known.finished_at = entry.phase, entry.finished_at
            known.version = entry.version
            known.says_why_it_waits = entry.says_why_it_waits
            entry, asked_before = known, known.cancel
            entry.cancel = asked_before or _asks_cancel(body)
        else:
            asked_before = False
            self.entries[entry.uid] = entry
        if entry.ended:
            self._scheduler.remove(entry.job_id)
            self._hand_made.pop(entry.uid, None)
            # Else the janitor looks at its record first.
            if entry.verified:
                self._writer.delete_later(entry)
            return
        if entry.cancel and not asked_before:
            self._react(self._cancel(entry, CANCEL_REASON))
        if known is None:
            if not entry.by_api:
                self._hand_made[entry.uid] = body
            self._react(self.bring_in(entry))

    def has_missed(self, body: dict[str, Any]) -> bool:
        """Whether a resource, as the server has it, says what the watch has not told."""
        seen, known = entry_of(body), self.entries.get(body["metadata"]["uid"])
        # A listing may be older than the watch, but nobody takes a cancel or an end back.
        return known is None or seen.cancel > known.cancel or seen.ended > known.ended

    def gone(self, entry: Entry) -> None:
        """The resource no longer exists: a live job of it is canceled."""
        known = self.entries.pop(entry.uid, None)
        self._hand_made.pop(entry.uid, None)
        self._scheduler.remove(entry.job_id)
        if not entry.ended and not (known is not None and known.ended):
            self._react(self._cancel(entry, DELETED_REASON))

    def lead(self) -> None:
        """This process has become the leader: reacts to everything that is there."""
        for entry in list(self.entries.values()):
            if not entry.ended:
                if entry.cancel:
                    self._react(self._cancel(entry, CANCEL_REASON))
                self._react(self.bring_in(entry))

    async def bring_in(self, entry: Entry) -> None:
        """Queues a live resource; a hand-made one is admitted first."""
        if entry.uid in self._hand_made and not await self._admit(entry):
            return
        terms = await self._terms.of(entry.workspace)
        entry.band = terms.band
        self._scheduler.limit(entry.workspace, terms.concurrent_jobs)
        live = entry.uid in self.entries and not entry.ended
        if live and entry.job_id not in self._dispatcher.in_flight:
            self._scheduler.add(entry)
            self._dispatcher.wake()

    async def _admit(self, entry: Entry) -> bool:
        body = self._hand_made.get(entry.uid)
        if body is None or not self._leadership.leading:
            return False
        try:
            record = await self._admission.admit(body)
        except CapacityUnavailable:
            raise
        except DomainError as error:
            log.info("resource_refused", name=entry.name, code=error.code)
            await self._writer.write_status(entry, refusal(error.code, error.message, at=now()))
            return False
        self._hand_made.pop(entry.uid, None)
        if record is None:
            return False
        if record.status.terminal:
            await self._writer.write(entry, record)
            return False
        entry.attempt = record.attempt
        return True

    async def _cancel(self, entry: Entry, reason: str) -> None:
        if not self._leadership.leading:
            return
        record = await jobs.get(self._database, entry.job_id)
        if record is None or not entry.is_of(record):
            return
        try:
            record = await transitions.cancel(
                self._database,
                entry.job_id,
                workspace=record.workspace,
                reason=reason,
                at=now(),
            )
        except (JobNotCancelable, JobNotFound):
            return
        if record.status is Status.PROCESSING:
            await self._dispatcher.cancel_in_flight(entry.job_id)
            return
        self._scheduler.remove(entry.job_id)
        if entry.uid in self.entries:
            await self._writer.write(entry, record)

    def _react(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._until_done(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_done(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (CapacityUnavailable, KubeUnavailable) as error:
            # The janitor's next round finds what was left undone.
            log.warning("reaction_postponed", error=type(error).__name__)
        except Exception:
            log.exception("reaction_broke")

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _asks_cancel(body: dict[str, Any]) -> bool:
    return bool((body.get("spec") or {}).get("cancel"))
