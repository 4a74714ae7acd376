"""Job pods that stay for the next job of their kind: model servers of one workspace and one mode.

Only this process knows the token of a pod that it keeps, so nobody takes one over: what an
operator leaves behind is swept.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import structlog
from imagerift_core.job_pods import JobPods, Keeping
from imagerift_core.kube_calls import KubeRefused, KubeUnavailable
from imagerift_core.kube_job_pods import RunCalls, RunSeen
from imagerift_core.triton import ModelServer, TritonUnavailable, connect_triton

from imagerift_operator.job_pod_objects import KEPT_PORT, kept_job, kept_secret, with_weights
from imagerift_operator.job_pod_runs import PodAttempt, PodLost, failure
from imagerift_operator.pod_parts import MountedWeights, WeightsNow, no_weights

log = structlog.get_logger(__name__)

ENTRY = "generate"
POLL_SECONDS = 0.5
# Kubernetes ends a pod at this age; it is given no job that could still run then.
LIFETIME_SECONDS = 6 * 3600

Connect = Callable[[str, str], AbstractAsyncContextManager[ModelServer]]


def _connect(endpoint: str, token: str) -> AbstractAsyncContextManager[ModelServer]:
    return connect_triton(endpoint, token=token)


@dataclass(eq=False)
class KeptPod:
    """One pod. `attempt_id` is what it is busy with, None while it waits for the next."""

    name: str
    kind: str
    token: str
    since: float
    attempt_id: str | None
    weights: MountedWeights
    # Done where the pod goes, or its attempt is canceled.
    stopped: asyncio.Future[dict[str, Any]]
    up: asyncio.Event = field(default_factory=asyncio.Event)
    address: str = ""
    idle_since: float = 0.0
    unschedulable: str | None = None


class KeptPods:
    """At most `maxPods` of them; an idle one of another kind makes room."""

    def __init__(
        self,
        calls: RunCalls,
        pods: JobPods,
        keep: Keeping,
        *,
        shard: str,
        s3_origin: str,
        gate: str | None,
        connect: Connect = _connect,
    ) -> None:
        self._calls = calls
        self._config = pods
        self._keep = keep
        self._shard = shard
        self._s3_origin = s3_origin
        self._gate = gate
        self.weights: WeightsNow = no_weights
        self._connect = connect
        self._pods: dict[str, KeptPod] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._pods

    def __len__(self) -> int:
        return len(self._pods)

    async def run_attempt(self, attempt: PodAttempt) -> dict[str, Any]:
        """Runs one attempt on a pod of its kind; returns its RESULT.

        Raises `PodLost` and `TritonUnavailable` where the pod went or does not start,
        `TritonRefused` where its server does not take the call, and the Kubernetes calls' errors.
        """
        seconds = min(attempt.seconds, attempt.job_seconds or attempt.seconds)
        pod = await self._take(attempt, seconds + attempt.answer_grace)
        kept = False
        try:
            answer = await self._answer(pod, attempt, seconds)
            kept = not pod.stopped.done()
        finally:
            if kept:
                pod.attempt_id, pod.idle_since = None, time.monotonic()
            else:
                await self._drop(pod)
        return answer

    async def cancel(self, attempt_id: str) -> bool:
        """Ends the pod that is busy with the attempt; whether there is one."""
        for pod in self._pods.values():
            if pod.attempt_id == attempt_id:
                if not pod.stopped.done():
                    pod.stopped.set_result(failure("canceled", "The job was canceled."))
                return True
        return False

    async def follow(self, runs: Iterable[RunSeen]) -> None:
        """Takes what is seen of the pods, and lets those go that have been idle for long."""
        seen = {run.name: run for run in runs}
        at = time.monotonic()
        for pod in list(self._pods.values()):
            if pod.name in seen:
                self._look_at(pod, seen[pod.name])
            elif pod.address:
                # Jobs that are only being made are not in the list yet.
                self._lose(pod, "JobDeleted")
            idle = pod.attempt_id is None and at - pod.idle_since > self._keep.idle_seconds
            if pod.attempt_id is None and (idle or pod.stopped.done()):
                await self._drop(pod)

    def _look_at(self, pod: KeptPod, run: RunSeen) -> None:
        if not run.pods:
            return
        now = run.pods[-1]
        if now.lost is not None or now.ended or run.failed_reason is not None:
            reason = now.lost or now.exit_reason or run.failed_reason or "Ended"
            self._lose(pod, reason)
        elif now.started and now.address:
            pod.address = now.address
            pod.up.set()
        pod.unschedulable = now.unschedulable

    def _lose(self, pod: KeptPod, reason: str) -> None:
        if not pod.stopped.done():
            log.warning("job_pod_lost", run=pod.name, reason=reason)
            pod.stopped.set_exception(PodLost(reason))
            # Nobody may be waiting for it.
            pod.stopped.exception()

    async def _take(self, attempt: PodAttempt, seconds: float) -> KeptPod:
        at = time.monotonic()
        for pod in self._pods.values():
            lasts = at - pod.since + seconds < LIFETIME_SECONDS
            free = pod.attempt_id is None and not pod.stopped.done()
            fits = pod.kind == attempt.kind and pod.weights == self.weights()
            if free and fits and lasts:
                pod.attempt_id = attempt.attempt_id
                log.info("job_pod_reused", run=pod.name, attempt=attempt.attempt_id)
                return pod
        idle = sorted(
            (pod for pod in self._pods.values() if pod.attempt_id is None),
            key=lambda pod: pod.idle_since,
        )
        while idle and len(self._pods) >= self._config.max_pods:
            await self._drop(idle.pop(0))
        return await self._make(attempt, at)

    async def _make(self, attempt: PodAttempt, at: float) -> KeptPod:
        name, token = f"kept-{secrets.token_hex(8)}", secrets.token_urlsafe(48)
        stopped = asyncio.get_running_loop().create_future()
        weights = self.weights()
        pod = KeptPod(name, attempt.kind, token, at, attempt.attempt_id, weights, stopped)
        self._pods[name] = pod
        try:
            job = kept_job(
                name,
                self._shard,
                self._config,
                self._keep,
                deadline_seconds=LIFETIME_SECONDS,
                s3_origin=self._s3_origin,
                gate=self._gate,
            )
            uid = await self._calls.create_job(with_weights(job, weights))
            secret = kept_secret(name, self._shard, token)
            await self._calls.create_secret(secret, job_uid=uid)
        except BaseException:
            await self._drop(pod)
            raise
        return pod

    async def _drop(self, pod: KeptPod) -> None:
        """Forgets the pod, and deletes it; what cannot be deleted now is swept later."""
        self._pods.pop(pod.name, None)
        with contextlib.suppress(KubeUnavailable, KubeRefused):
            await self._calls.delete(pod.name)

    async def _answer(self, pod: KeptPod, attempt: PodAttempt, seconds: float) -> dict[str, Any]:
        call = asyncio.create_task(self._called(pod, attempt, seconds))
        try:
            await asyncio.wait([call, pod.stopped], return_when=asyncio.FIRST_COMPLETED)
            return await (call if call.done() else pod.stopped)
        finally:
            call.cancel()
            await asyncio.wait([call])

    async def _called(self, pod: KeptPod, attempt: PodAttempt, seconds: float) -> dict[str, Any]:
        began = time.monotonic()
        try:
            async with asyncio.timeout(min(seconds, self._config.start_seconds)):
                await pod.up.wait()
        except TimeoutError:
            words = pod.unschedulable or "the pod did not start"
            log.warning("job_pod_not_started", run=pod.name, words=words)
            raise TritonUnavailable("the pod did not start", sent=False) from None
        endpoint = _endpoint(pod.address)
        async with self._connect(endpoint, pod.token) as server:
            try:
                async with asyncio.timeout(seconds - (time.monotonic() - began)):
                    # A model that loads for the first time takes this attempt's time.
                    while not await server.ready_models([ENTRY]):  # noqa: ASYNC110
                        await asyncio.sleep(POLL_SECONDS)
            except TimeoutError:
                return failure("timeout", "The job pod's models were not loaded in time.")
            left = max(1.0, seconds - (time.monotonic() - began))
            return await server.call(
                ENTRY, attempt.request(left), timeout_seconds=left + attempt.answer_grace
            )


def _endpoint(address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{KEPT_PORT}"
