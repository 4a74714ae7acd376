"""The attempts that this process runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from imagerift_core.clock import now
from imagerift_core.model_documents import AttemptProgress

from imagerift_operator.attempt_codec import attempt_id
from imagerift_operator.call_limits import CallLimit
from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_pod_server import JobPodServer
from imagerift_operator.pools import Replica, flag_canceled


@dataclass(eq=False)
class RunningAttempt:
    """An attempt of ours between claim and settlement; `answered` once the model is done.

    `number` is None until it is claimed.
    """

    entry: JobEntry
    replica: Replica
    slot: ExitStack
    since: datetime
    number: int | None = None
    answered: bool = False
    # What its model server told last.
    progress: AttemptProgress | None = None
    limit: CallLimit = field(default_factory=CallLimit)
    task: asyncio.Task[None] | None = None

    async def flag_canceled(self) -> None:
        """Has the model stop at its next check, if the attempt was sent to it."""
        if self.number is not None:
            await flag_canceled(self.replica, attempt_id(self.entry.job_id, self.number))

    async def give_up(self) -> None:
        """As `flag_canceled`; a Job that waits in a queue keeps its place for the next attempt."""
        server = self.replica.server
        if self.number is not None and isinstance(server, JobPodServer):
            await server.give_up(attempt_id(self.entry.job_id, self.number))
        else:
            await self.flag_canceled()

    def waits(self, at: datetime) -> None:
        """Counts none of its time until now: it waits for its model, which works for others."""
        self.limit.waited((at - self.since).total_seconds())
        self.since = at

    def begin_anew(self) -> None:
        """Counts its time from now on: until now it had to wait for its pod."""
        self.since = now()


class InFlight:
    """Attempts by the id of their job, of which each has one at most."""

    def __init__(self) -> None:
        self._attempts: dict[str, RunningAttempt] = {}

    def __len__(self) -> int:
        return len(self._attempts)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._attempts

    def __iter__(self) -> Iterator[RunningAttempt]:
        """Over those that run now, whatever begins and ends meanwhile."""
        return iter(list(self._attempts.values()))

    def begin(self, attempt: RunningAttempt, work: Coroutine[Any, Any, None]) -> None:
        """Starts `work`, which sees the attempt to its end."""
        self._attempts[attempt.entry.job_id] = attempt
        attempt.task = asyncio.create_task(work)

    def end(self, attempt: RunningAttempt) -> None:
        """Forgets an attempt whose work is over, but not another one of the same job."""
        if self._attempts.get(attempt.entry.job_id) is attempt:
            del self._attempts[attempt.entry.job_id]

    def drop(self, job_id: str) -> None:
        """Forgets a job's attempt, whose end is written though its work is not over."""
        self._attempts.pop(job_id, None)

    async def cancel(self, job_id: str) -> None:
        """Stops our attempt of a job, if there is one, at the model's next check."""
        attempt = self._attempts.get(job_id)
        if attempt is not None:
            await attempt.flag_canceled()

    async def wait(self, seconds: float | None = None) -> None:
        """Returns once those that run now are over, or after `seconds`."""
        tasks = [attempt.task for attempt in self if attempt.task]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def abandon(self) -> None:
        """Cancels the work of all that still run; their records say what is next."""
        for attempt in self:
            if attempt.task:
                attempt.task.cancel()
