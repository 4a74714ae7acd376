"""Runs attempts as pods of their own, behind the calls that a model server takes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
import structlog
from imagerift_core.clock import now
from imagerift_core.isolation import Isolation
from imagerift_core.job_pods import JobPods
from imagerift_core.kube_calls import KubeRefused, KubeUnavailable
from imagerift_core.kube_job_pods import RunCalls, RunSeen
from imagerift_core.triton import TritonRefused, TritonUnavailable

from imagerift_operator.job_pod_objects import run_job, run_name, run_secret, selector

log = structlog.get_logger(__name__)

FOLLOW_SECONDS = 1.0
SWEEP_SECONDS = 30.0
# A run that no attempt waits for is deleted only once it is this old.
SWEEP_GRACE = timedelta(seconds=60)


class JobPodServer:
    """One Job and one Secret per attempt, in a namespace that holds nothing else."""

    def __init__(
        self,
        calls: RunCalls,
        pods: JobPods,
        isolated: Isolation,
        *,
        shard: str,
        s3_origin: str,
    ) -> None:
        self._calls = calls
        self._pods = pods
        self._isolated = isolated
        self._shard = shard
        self._s3_origin = s3_origin
        self._waiting: dict[str, _Run] = {}

    async def call(
        self, model: str, request: dict[str, Any], *, timeout_seconds: float
    ) -> dict[str, Any]:
        """Runs one attempt: a REQUEST in, its RESULT out. `model` is the pod's own choice.

        Raises `TritonUnavailable` where the pod was lost or could not be made, and
        `TritonRefused` where Kubernetes refuses it.
        """
        del model
        name = run_name(request["attemptId"])
        run = _Run(asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting[name] = run
        try:
            job = run_job(
                name,
                self._shard,
                self._pods,
                deadline_seconds=int(timeout_seconds),
                s3_origin=self._s3_origin,
            )
            await self._calls.create(job, run_secret(name, self._shard, request))
            async with asyncio.timeout(timeout_seconds):
                return await run.result
        except KubeUnavailable as error:
            raise TritonUnavailable("the API server is away", sent=False) from error
        except KubeRefused as error:
            raise TritonRefused(f"the job pod was refused: {error.reason}") from error
        except TimeoutError as error:
            raise TritonUnavailable("the job pod gave no result in time", sent=True) from error
        finally:
            del self._waiting[name]
            # What cannot be deleted now is swept later.
            with contextlib.suppress(KubeUnavailable, KubeRefused):
                await self._calls.delete(name)

    async def ready_models(self, names: Iterable[str]) -> list[str]:
        """All of them: a pod brings its models with it."""
        return sorted(names)

    async def cancel(self, attempt_id: str) -> None:
        """Ends an attempt's pod, whoever started it."""
        name = run_name(attempt_id)
        run = self._waiting.get(name)
        if run is not None and not run.result.done():
            run.result.set_result(_failure("canceled", "The job was canceled."))
        with contextlib.suppress(KubeUnavailable, KubeRefused):
            await self._calls.delete(name)

    async def run(self, leading: Callable[[], bool]) -> None:
        """Follows the pods of attempts in flight until canceled, and sweeps while `leading`."""
        swept = time.monotonic()
        while True:
            sweep_due = leading() and time.monotonic() - swept > SWEEP_SECONDS
            if sweep_due:
                # Also where it is refused: said now and then, not at every look.
                swept = time.monotonic()
            if self._waiting or sweep_due:
                try:
                    runs = await self._calls.runs(selector(self._shard))
                    follow = partial(self._follow, sweep=sweep_due)
                    await self._isolated.each(runs, follow, id_of=lambda seen: seen.name)
                except (KubeUnavailable, TimeoutError) as error:
                    log.warning("job_pods_not_followed", error=str(error))
                except KubeRefused as error:
                    log.warning("job_pods_not_followed", status=error.status, body=error.body)
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _follow(self, seen: RunSeen, *, sweep: bool) -> None:
        self._look_at(seen)
        if sweep:
            await self._sweep(seen)

    async def _sweep(self, seen: RunSeen) -> None:
        """Deletes a run that no attempt of ours waits for: its operator died or gave it up."""
        if seen.name not in self._waiting and now() - seen.created_at > SWEEP_GRACE:
            log.info("job_pod_swept", run=seen.name)
            await self._calls.delete(seen.name)

    def _look_at(self, seen: RunSeen) -> None:
        run = self._waiting.get(seen.name)
        if run is None or run.result.done():
            return
        pod = seen.pod
        if pod is not None:
            run.pods.add(pod.uid)
            if pod.message:
                run.result.set_result(_read(pod.message))
                return
            if pod.lost is not None or len(run.pods) > 1:
                # Nothing of the job's doing: it goes back to the queue and is tried anew.
                log.warning("job_pod_lost", run=seen.name, reason=pod.lost or "Replaced")
                error = TritonUnavailable(f"the pod was lost: {pod.lost}", sent=False)
                run.result.set_exception(error)
                return
            if pod.ended:
                run.result.set_result(_ended_without_result(pod.exit_reason))
                return
            if pod.unschedulable is not None and pod.unschedulable != run.unschedulable:
                run.unschedulable = pod.unschedulable
                log.warning("job_pod_unschedulable", run=seen.name, words=pod.unschedulable)
        if seen.failed_reason == "DeadlineExceeded":
            run.result.set_result(_failure("timeout", "The job pod ran out of time."))
        elif (pod is None or not pod.started) and run.age > self._pods.start_seconds:
            log.warning("job_pod_not_started", run=seen.name)
            run.result.set_exception(TritonUnavailable("the pod did not start", sent=False))


class _Run:
    """An attempt that waits for its pod."""

    def __init__(self, result: asyncio.Future[dict[str, Any]], started: float) -> None:
        self.result = result
        self.pods: set[str] = set()
        self.unschedulable: str | None = None
        self._started = started

    @property
    def age(self) -> float:
        return time.monotonic() - self._started


def _read(message: str) -> dict[str, Any]:
    try:
        result = orjson.loads(message)
    except orjson.JSONDecodeError:
        result = None
    if not isinstance(result, dict):
        return _failure("model_error", "The job pod's answer breaks the contract.")
    return result


def _ended_without_result(reason: str | None) -> dict[str, Any]:
    if reason == "OOMKilled":
        return _failure("out_of_memory", "The model ran out of memory.", retryable=True)
    return _failure("model_error", "The job pod ended without a result.", retryable=True)


def _failure(code: str, message: str, *, retryable: bool = False) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "retryable": retryable}}
