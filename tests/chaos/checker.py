"""Holds what clients were told to what is there in the end, and names what was untrue.

Nothing here asks a server: it is given the whole history and the final state.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.chaos.history import TERMINAL, Answer, FinalState, Job

_NO_LINK = {401, 403, 404, 410}


@dataclass(frozen=True)
class Untruth:
    """A promise that was not kept, and the answer that made it; None where the state breaks it."""

    why: str
    answer: Answer | None = None

    @property
    def at(self) -> float:
        return self.answer.received if self.answer else math.inf

    def __str__(self) -> str:
        answer = self.answer
        if answer is None:
            return f"in the end: {self.why}"
        said = " ".join(filter(None, [str(answer.status), answer.code, answer.told]))
        of = f"{answer.asked} of {answer.job or answer.mark}"
        return f"{of} at {answer.sent:.3f} ({said}): {self.why}"


def untruths(answers: Iterable[Answer], state: FinalState) -> list[Untruth]:
    """Every untruth, by the time at which a client heard it; what only the stores show is last."""
    heard = sorted(answers, key=lambda answer: answer.received)
    found = [
        *_submits(heard, state),
        *_reads(heard, state),
        *_cancels(heard, state),
        *_hooks(heard, state),
        *_downloads(heard, state),
        *_records(heard, state),
        *_charges(state),
        *_bytes(state),
        *_attempts(state),
    ]
    return sorted(found, key=lambda untruth: untruth.at)


def _of(answers: Sequence[Answer], *asked: str) -> list[Answer]:
    return [answer for answer in answers if answer.asked in asked]


def _submits(answers: Sequence[Answer], state: FinalState) -> Iterator[Untruth]:
    records: dict[str, list[Job]] = defaultdict(list)
    for job in state.jobs.values():
        records[job.mark].append(job)
    tries: dict[str, list[Answer]] = defaultdict(list)
    for answer in _of(answers, "submit"):
        tries[answer.mark].append(answer)
        if answer.well:
            yield from _accepted(answer, state)
        elif answer.code == "outcome_unknown" and not answer.job:
            yield Untruth("it is not told which job is in doubt", answer)
    for mark, asked in tries.items():
        yield from _requests(asked, records[mark])


def _accepted(answer: Answer, state: FinalState) -> Iterator[Untruth]:
    job = state.jobs.get(answer.job)
    if job is None:
        yield Untruth("the job was accepted and is lost", answer)
    elif (job.workspace, job.mark) != (answer.workspace, answer.mark):
        yield Untruth("the job that was named is another request's", answer)


def _requests(asked: Sequence[Answer], records: Sequence[Job]) -> Iterator[Untruth]:
    """Of one request, which was sent again where it bears a key."""
    accepted = [answer for answer in asked if answer.well]
    for answer in accepted:
        if answer.job != accepted[0].job:
            yield Untruth(f"the same request was accepted as {accepted[0].job} before", answer)
            return
    if len(records) > 1:
        names = ", ".join(sorted(job.id for job in records))
        yield Untruth(f"one request was accepted as several jobs: {names}", asked[-1])
        return
    if not records or accepted:
        return
    # No answer named it as accepted: somebody must have been told that it may be there.
    last = asked[-1]
    (job,) = records
    if not any(answer.in_doubt for answer in asked):
        yield Untruth(f"nothing was accepted, it says, and {job.id} is there ({job.status})", last)
    named = {answer.job for answer in asked if answer.job}
    if named and job.id not in named and not last.keyed:
        yield Untruth(f"the job in doubt is {job.id}", last)


def _reads(answers: Sequence[Answer], state: FinalState) -> Iterator[Untruth]:
    """A job that is there is found from then on; what has ended has ended so for good."""
    by_job: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.job:
            by_job[answer.job].append(answer)
    for job_id, heard in by_job.items():
        job = state.jobs.get(job_id)
        for answer in _of(heard, "poll"):
            if answer.code == "job_not_found":
                yield from _not_found(answer, heard, job)
            elif answer.well:
                yield from _told(answer, heard, job)


def _not_found(answer: Answer, heard: Sequence[Answer], job: Job | None) -> Iterator[Untruth]:
    for before in heard:
        if before.received > answer.sent:
            break
        if before.well and before.asked in {"submit", "poll", "cancel"}:
            yield Untruth(f"the job is not found that a {before.asked} told of before", answer)
            return
    settled = [
        a.settled_by for a in heard if a.settled_by is not None and a.received <= answer.sent
    ]
    if job is not None and settled and min(settled) <= answer.sent:
        yield Untruth("the job is not found after its doubt is settled, and is there", answer)


def _told(answer: Answer, heard: Sequence[Answer], job: Job | None) -> Iterator[Untruth]:
    if job is None:
        yield Untruth("the job was read and is lost", answer)
        return
    if answer.told in TERMINAL and answer.told != job.status:
        yield Untruth(f"the job is {job.status}", answer)
        return
    ended = [a for a in heard if a.asked in {"poll", "hook"} and a.well and a.told in TERMINAL]
    before = [a for a in ended if a.received < answer.sent and a.told != answer.told]
    if before:
        yield Untruth(f"the job went back: it was {before[0].told} before", answer)


def _cancels(answers: Sequence[Answer], state: FinalState) -> Iterator[Untruth]:
    for answer in _of(answers, "cancel"):
        job = state.jobs.get(answer.job)
        if answer.well and (job is None or job.status != "canceled"):
            end = job.status if job else "lost"
            yield Untruth(f"the job is canceled, it says, and is {end}", answer)
        if answer.code == "job_not_cancelable" and job and job.status == "canceled":
            yield Untruth("the job cannot be canceled, it says, and is canceled", answer)


def _hooks(answers: Sequence[Answer], state: FinalState) -> Iterator[Untruth]:
    first: dict[str, Answer] = {}
    for answer in _of(answers, "hook"):
        before = first.setdefault(answer.job, answer)
        job = state.jobs.get(answer.job)
        if job is None:
            yield Untruth("a webhook tells of a job that is not there", answer)
        elif answer.told != job.status:
            yield Untruth(f"a webhook tells an end that is none: the job is {job.status}", answer)
        elif before.message != answer.message:
            yield Untruth(f"the end was told before, by message {before.message}", answer)


def _downloads(answers: Sequence[Answer], state: FinalState) -> Iterator[Untruth]:
    for answer in _of(answers, "download"):
        job = state.jobs.get(answer.job)
        if answer.status in _NO_LINK:
            yield Untruth("the link gives nothing", answer)
        elif answer.well and (job is None or answer.digest not in job.outputs.values()):
            yield Untruth("the link gives other bytes than were delivered", answer)


def _records(answers: Sequence[Answer], state: FinalState) -> Iterator[Untruth]:
    marks = {answer.mark for answer in _of(answers, "submit")}
    for job in state.jobs.values():
        if job.status not in TERMINAL:
            yield Untruth(f"{job.id} hangs: {job.status}")
        if job.mark not in marks:
            yield Untruth(f"{job.id} is of no request: {job.mark or 'no mark'}")
        told = state.messages.get(job.id, 0)
        if told != int(job.hooked and job.status in TERMINAL):
            yield Untruth(f"{job.id} ({job.status}) has {told} webhooks")
    if state.resources:
        names = ", ".join(sorted(state.resources)[:5])
        yield Untruth(f"{len(state.resources)} resources are left: {names}")


def _charges(state: FinalState) -> Iterator[Untruth]:
    for job in state.jobs.values():
        wanted = job.variations if job.status == "succeeded" else 0
        rows = state.ledger.get(job.id, 0)
        if not rows == job.charged_units == len(job.outputs) == wanted:
            yield Untruth(
                f"{job.id} ({job.status}): {rows} rows and {job.charged_units} units for "
                f"{len(job.outputs)} outputs of {wanted}"
            )
    for job_id in sorted(set(state.ledger) - set(state.jobs)):
        yield Untruth(f"the ledger charges {job_id}, which nobody knows")
    for name, counter in state.counters.items():
        if counter.reserved:
            yield Untruth(f"{name} still holds {counter.reserved}")
        if counter.charged != counter.in_ledger:
            yield Untruth(f"{name} has charged {counter.charged}, the ledger {counter.in_ledger}")


def _bytes(state: FinalState) -> Iterator[Untruth]:
    owners = Counter(key for job in state.jobs.values() for key in job.outputs)
    for key, owned in owners.items():
        if owned > 1:
            yield Untruth(f"{key} belongs to {owned} jobs")
    for job in state.jobs.values():
        folder = f"workspaces/{job.workspace}/jobs/{job.id}/{job.attempt}/"
        for key, digest in job.outputs.items():
            if key not in state.bucket:
                yield Untruth(f"{key} was charged and is not there")
            elif state.bucket[key] != digest:
                yield Untruth(f"{key} holds other bytes than were charged")
            if not key.startswith(folder):
                yield Untruth(f"{key} is not of the attempt that was settled")


def _attempts(state: FinalState) -> Iterator[Untruth]:
    for attempt, times in state.sent.items():
        if times > 1:
            yield Untruth(f"attempt {attempt} was sent {times} times")
    for job in state.jobs.values():
        if job.status == "succeeded" and f"{job.id}/{job.attempt}" not in state.sent:
            yield Untruth(f"attempt {job.id}/{job.attempt} was settled and never sent")
