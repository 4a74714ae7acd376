"""Attempts that wait for their pods: what is made of what is seen of them. No server, no clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol

import orjson
import structlog
from imagerift_core.kube_job_pods import RunPod, RunSeen
from imagerift_core.triton import TritonUnavailable

log = structlog.get_logger(__name__)

# By whom a pod is preempted whose Job goes on waiting in its queue.
BY_QUEUE = "Queue"


class PodNews(Protocol):
    """Whoever is told how an attempt stands; none of it raises where a store is away."""

    async def suspended(self) -> None:
        """Its Job waits in a queue."""

    async def started(self) -> None:
        """Its Job may have its pod from now on, and the attempt's time begins."""

    async def preempted(self, by: str) -> None:
        """Its pod was taken away for others: by the queue, or by what Kubernetes calls so."""


@dataclass(frozen=True)
class PodAttempt:
    """An attempt that a pod of its own is to run.

    `request` makes its REQUEST for so many seconds, with URLs that are signed anew. It may take
    `seconds`, and `answer_grace` more to answer, from the moment when its pod may start. All of
    it, the wait in a queue included, ends when the job's deadline is over, in `job_seconds`.
    """

    attempt_id: str
    seconds: float
    job_seconds: float | None
    answer_grace: float
    request: Callable[[float], dict[str, Any]]
    news: PodNews
    # Workspace and mode: pods that are kept serve one kind.
    kind: str = ""

    @property
    def job_id(self) -> str:
        return job_of(self.attempt_id)


class Step(Enum):
    """What is to be done for an attempt after a look at its run."""

    NOTHING = auto()
    # Its pod may start: it is given its REQUEST.
    START = auto()
    # Its Job was suspended again: the REQUEST is taken away, and the Job waits on.
    PREEMPTED = auto()


@dataclass(eq=False)
class Run:
    """An attempt that waits for its pod; `suspended` until its queue lets the pod start.

    `limit` ends the call; `since` is the monotonic time from which its pod may start.
    """

    attempt: PodAttempt
    result: asyncio.Future[dict[str, Any]]
    since: float
    # Of its Job, and whether that was made.
    name: str = ""
    made: bool = False
    suspended: bool = False
    # Whether somebody was told that it waits in its queue.
    shown: bool = False
    # Its Job stays for the next attempt, as long as it waits in its queue.
    given_up: bool = False
    limit: asyncio.Timeout | None = None
    pods: set[str] = field(default_factory=set)
    # Pods that an earlier admission had: nothing that they say counts.
    gone: set[str] = field(default_factory=set)
    unschedulable: str | None = None

    def __post_init__(self) -> None:
        self._made = self.since

    def job_seconds_left(self, at: float) -> float | None:
        """Until the job's deadline, None where it has none."""
        seconds = self.attempt.job_seconds
        return None if seconds is None else seconds - (at - self._made)

    def look(self, seen: RunSeen, *, at: float, start_seconds: float) -> Step:
        """Takes what is seen of the run at the monotonic time `at`, and says what is to be done.

        The result is set where there is one.
        """
        if self.result.done():
            return Step.NOTHING
        pods = [pod for pod in seen.pods if pod.uid not in self.gone]
        if seen.suspended:
            return self._held(pods)
        if self.suspended:
            # What is left of an earlier admission could read what is meant for the next pod.
            left = any(pod.uid in self.gone and not pod.ended for pod in seen.pods)
            return Step.NOTHING if left else Step.START
        self._follow(seen, pods[-1] if pods else None, at=at, start_seconds=start_seconds)
        return Step.NOTHING

    def started(self, at: float) -> None:
        """Notes that its pod may start from `at` on."""
        self.suspended, self.since, self.shown = False, at, False

    def preempted(self, pods: tuple[RunPod, ...]) -> None:
        """Notes that it waits again, and that these pods are of the past."""
        self.suspended = True
        self.gone |= {pod.uid for pod in pods}
        self.pods.clear()
        self.unschedulable = None

    def _held(self, pods: list[RunPod]) -> Step:
        if self.suspended:
            return Step.NOTHING
        delivered = next((pod.message for pod in pods if _has_outputs(pod)), None)
        if delivered is None:
            return Step.PREEMPTED
        self.result.set_result(read_result(delivered))
        return Step.NOTHING

    def _follow(
        self, seen: RunSeen, pod: RunPod | None, *, at: float, start_seconds: float
    ) -> None:
        if pod is not None:
            self.pods.add(pod.uid)
            if pod.message and not (pod.lost is not None and _says_canceled(pod.message)):
                self.result.set_result(read_result(pod.message))
                return
            if pod.lost is not None or len(self.pods) > 1:
                # Nothing of the job's doing: it goes back to the queue and is tried anew.
                reason = pod.lost or "Replaced"
                log.warning("job_pod_lost", run=seen.name, reason=reason)
                self.result.set_exception(PodLost(reason))
                return
            if pod.ended:
                self.result.set_result(_ended_without_result(pod.exit_reason))
                return
            if pod.unschedulable is not None and pod.unschedulable != self.unschedulable:
                self.unschedulable = pod.unschedulable
                log.warning("job_pod_unschedulable", run=seen.name, words=pod.unschedulable)
        if seen.failed_reason == "DeadlineExceeded":
            self.result.set_result(failure("timeout", "The job pod ran out of time."))
        elif (pod is None or not pod.started) and at - self.since > start_seconds:
            log.warning("job_pod_not_started", run=seen.name)
            self.result.set_exception(TritonUnavailable("the pod did not start", sent=False))


# Kubernetes' words for a pod that had to make room for one of higher priority.
_PREEMPTED = frozenset(
    {"PreemptionByScheduler", "PreemptionByKubeScheduler", "Preempting", "Preempted"}
)


class PodLost(TritonUnavailable):
    """The pod went unasked; `reason` is Kubernetes' word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the pod was lost: {reason}", sent=False)
        self.reason = reason

    @property
    def is_preemption(self) -> bool:
        return self.reason in _PREEMPTED


def job_of(attempt_id: str) -> str:
    """The job of an attempt, `job id/number`."""
    return attempt_id.rsplit("/", 1)[0]


def read_result(message: str) -> dict[str, Any]:
    """The RESULT of a termination message; one that breaks the contract is a `model_error`."""
    try:
        result = orjson.loads(message)
    except orjson.JSONDecodeError:
        result = None
    if not isinstance(result, dict):
        return failure("model_error", "The job pod's answer breaks the contract.")
    return result


def failure(code: str, message: str, *, retryable: bool = False) -> dict[str, Any]:
    """A RESULT without outputs."""
    return {"error": {"code": code, "message": message, "retryable": retryable}}


def _has_outputs(pod: RunPod) -> bool:
    """Whether it was done before it was to go; one that is told to stop says `canceled`."""
    return bool(pod.message) and bool(read_result(pod.message or "").get("outputs"))


def _says_canceled(message: str) -> bool:
    """Whether it stopped because it was told to, as before an eviction."""
    error = read_result(message).get("error")
    return isinstance(error, dict) and error.get("code") == "canceled"


def _ended_without_result(reason: str | None) -> dict[str, Any]:
    if reason == "OOMKilled":
        return failure("out_of_memory", "The model ran out of memory.", retryable=True)
    return failure("model_error", "The job pod ended without a result.", retryable=True)
