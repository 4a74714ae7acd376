"""Gives free slots to waiting jobs, and sees each attempt from its claim to its end."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import structlog
from imagerift_core.clock import now
from imagerift_core.jobs import JobRecord
from imagerift_core.model_documents import ModelAnswer

from imagerift_operator.claims import Claims, reason_not_to_send
from imagerift_operator.in_flight import RunningAttempt
from imagerift_operator.leadership import Leadership
from imagerift_operator.memory import Memory
from imagerift_operator.model_calls import ModelCalls
from imagerift_operator.outcomes import Outcomes
from imagerift_operator.pools import Choice, Pools
from imagerift_operator.refusals import AWAY
from imagerift_operator.traces import attempt_span, record_answer
from imagerift_operator.wait_estimates import Pace

log = structlog.get_logger(__name__)

STORE_PAUSE = timedelta(seconds=1)
# What a process that ends gives the ends of its last attempts; its successor finds the others.
LAST_WRITES_SECONDS = 5.0


class Dispatcher:
    """Runs attempts while this process leads. Every decision is a conditional write."""

    def __init__(
        self,
        *,
        memory: Memory,
        pools: Pools,
        leadership: Leadership,
        claims: Claims,
        calls: ModelCalls,
        outcomes: Outcomes,
        pace: Pace,
    ) -> None:
        self._memory = memory
        self._pools = pools
        self._leadership = leadership
        self._claims = claims
        self._calls = calls
        self._outcomes = outcomes
        self._pace = pace
        self._stopping = False

    async def run(self) -> None:
        """Starts attempts until canceled."""
        changed = self._memory.changed
        while True:
            changed.clear()
            due = self._memory.scheduler.release_delayed(now())
            while self._start_one():
                pass
            pause = 1.0 if due is None else min(1.0, (due - now()).total_seconds())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.01, pause)):
                    await changed.wait()

    async def drain(self, seconds: float) -> None:
        """Starts nothing more, waits `seconds` for attempts in flight, then queues the rest again.

        An attempt whose model is done is not queued again: its end is still written.
        """
        self._stopping = True
        in_flight = self._memory.in_flight
        await in_flight.wait(seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WRITES_SECONDS):
                await self._hand_back()
                await in_flight.wait()
        in_flight.abandon()

    async def _hand_back(self) -> None:
        for attempt in self._memory.in_flight:
            if attempt.answered:
                continue
            if attempt.number is not None:
                await attempt.give_up()
                owner = self._leadership.identity
                await self._outcomes.return_to_queue(attempt.entry, attempt.number, owner)
            if attempt.task:
                attempt.task.cancel()

    def _start_one(self) -> bool:
        if not self._leadership.leading or self._stopping:
            return False
        for choice in self._pools.choose():
            entry = self._memory.scheduler.next(choice.targets)
            if entry is None:
                continue
            if entry.job_id in self._memory.in_flight:
                self._memory.scheduler.ended(entry)
            else:
                slot = choice.replica.slots.acquire()
                slot.callback(self._memory.slot_freed, entry)
                attempt = RunningAttempt(entry, choice.replica, slot, now())
                self._memory.in_flight.begin(attempt, self._attempt(attempt, choice))
                return True
        return False

    async def _attempt(self, attempt: RunningAttempt, choice: Choice) -> None:
        entry = attempt.entry
        try:
            with attempt.slot as slot:
                began = now()
                record = await self._claimed(attempt, choice.pool)
                if record is None:
                    return
                with attempt_span(record, began):
                    answer = await self._answered(attempt, record)
                    # Its end is written while the next job has the slot.
                    slot.close()
                    await self._outcomes.end(entry, record, answer)
        except AWAY:
            # Whether the claim was written is not known; the next one finds out.
            log.warning("store_unavailable", job=entry.job_id)
            self._memory.enqueue(entry, not_before=now() + STORE_PAUSE)
        except Exception:
            log.exception("attempt_broke", job=entry.job_id)
        finally:
            self._memory.in_flight.end(attempt)

    async def _claimed(self, attempt: RunningAttempt, pool: str) -> JobRecord | None:
        """The record of the attempt to send, None once the job was dealt with otherwise."""
        record = await self._claims.claim(attempt.entry, pool)
        if record is None:
            await self._outcomes.reconcile(attempt.entry)
            return None
        error = reason_not_to_send(record, now())
        if error is not None:
            await self._outcomes.fail(attempt.entry, record, error)
            return None
        attempt.number = record.attempt
        return record

    async def _answered(self, attempt: RunningAttempt, record: JobRecord) -> ModelAnswer:
        answer = await self._calls.run(
            attempt.entry, record, attempt.replica, attempt.begin_anew, attempt.limit
        )
        attempt.answered = True
        if len(answer.outputs) == attempt.entry.units:
            self._pace.ran(attempt.entry, (now() - attempt.since).total_seconds())
        record_answer(answer)
        return answer
