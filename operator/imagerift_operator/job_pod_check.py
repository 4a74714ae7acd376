"""Asks the job pods' image whether it could run jobs, before a pod takes a GPU."""

from __future__ import annotations

import secrets
import time
from typing import Any, Literal

import orjson
import structlog
from imagerift_core.job_pods import JobPods
from imagerift_core.kube_calls import KubeRefused, words_of
from imagerift_core.kube_job_pods import RunCalls, RunSeen
from imagerift_core.kube_workloads import Trouble
from pydantic import BaseModel, ValidationError

from imagerift_operator.job_pod_objects import check_job, selector, with_weights
from imagerift_operator.pod_parts import NO_WEIGHTS, MountedWeights, WeightsNow, no_weights

log = structlog.get_logger(__name__)

# What is missing may be put there: it is looked for again after so long.
CHECK_AGAIN_SECONDS = 60.0


class _Problem(BaseModel):
    reason: Literal["GateMissing", "ModelMissing", "ModelNotReady", "SettingsWrong"]
    message: str


class _Found(BaseModel):
    problem: _Problem | None


class JobPodCheck:
    """One Job without devices a time, until one says that all is there; anew for other weights.

    `trouble` says what is missing, as far as it is known.
    """

    def __init__(
        self,
        calls: RunCalls,
        pods: JobPods,
        *,
        shard: str,
        s3_origin: str,
        gate: str | None,
        weights: WeightsNow = no_weights,
    ) -> None:
        self._calls = calls
        self._pods = pods
        self._shard = shard
        self._s3_origin = s3_origin
        self._gate = gate
        self._weights = weights
        # Another each time: the pod of the one before may still be there.
        self.name = ""
        self._needed = pods.takes_devices and pods.check
        # The weights that its Job has, and those with which one has passed.
        self._asked_with = NO_WEIGHTS
        self._passed_with: MountedWeights | None = None
        self.trouble: Trouble | None = None
        # Of its Job, and since when it is there.
        self._uid: str | None = None
        self._since = 0.0
        self._ended: float | None = None

    @property
    def passed(self) -> bool:
        """Whether pods may take devices, with the weights that they have now."""
        return not self._needed or self._passed_with == self._weights()

    async def step(self) -> None:
        """Makes the Job where it is due, or looks at it.

        Raises `KubeUnavailable`, or `KubeRefused` where its Job can't be looked at.
        """
        at = time.monotonic()
        if self.passed or self._weights().trouble is not None:
            return
        if self._ended is not None and at - self._ended < CHECK_AGAIN_SECONDS:
            return
        if self._uid is None:
            await self._begin(at)
            return
        runs = await self._calls.runs(selector(self._shard))
        seen = next((run for run in runs if run.uid == self._uid), None)
        if seen is None:
            # Somebody deleted it.
            self._uid = None
            return
        found = self._found(seen, at)
        if found is not None:
            await self._calls.delete(self.name)
            self._end(found.problem, at)

    async def _begin(self, at: float) -> None:
        self.name = f"check-{secrets.token_hex(8)}"
        self._asked_with = self._weights()
        job = check_job(
            self.name,
            self._shard,
            self._pods,
            deadline_seconds=2 * self._pods.start_seconds,
            s3_origin=self._s3_origin,
            gate=self._gate,
        )
        try:
            self._uid = await self._calls.create_job(with_weights(job, self._asked_with))
        except KubeRefused as error:
            self._refuse("CheckRefused", words_of(error), at)
            return
        self._since = at

    def _found(self, seen: RunSeen, at: float) -> _Found | None:
        """What the Job says, or the cluster of it where it cannot; None while there is nothing."""
        pod = seen.pods[-1] if seen.pods else None
        if pod is not None and pod.message:
            return _read(pod.message)
        if seen.failed_reason is not None or (pod is not None and pod.ended):
            reason = (pod and pod.exit_reason) or seen.failed_reason or "without an answer"
            return _unread(f"The check of the job pods' image ended: {reason}.")
        if (pod is None or not pod.started) and at - self._since > self._pods.start_seconds:
            words = (pod and pod.unschedulable) or "its pod did not start"
            return _unread(f"The check of the job pods' image did not run: {words}")
        return None

    def _end(self, problem: _Problem | None, at: float) -> None:
        if problem is not None:
            self._refuse(problem.reason, problem.message, at)
            return
        log.info("job_pods_checked", gate=self._gate)
        self._passed_with, self.trouble, self._uid = self._asked_with, None, None

    def _refuse(self, reason: str, words: str, at: float) -> None:
        trouble = Trouble(reason, f"Job pods cannot run jobs: {words}")
        if trouble != self.trouble:
            log.warning("job_pods_unfit", reason=reason, words=words)
        self.trouble, self._ended, self._uid = trouble, at, None


def _read(message: str) -> _Found:
    try:
        document: Any = orjson.loads(message)
        return _Found.model_validate(document)
    except (orjson.JSONDecodeError, ValidationError):
        return _unread("The check of the job pods' image gave no answer that can be read.")


def _unread(words: str) -> _Found:
    return _Found(problem=_Problem(reason="SettingsWrong", message=words))
