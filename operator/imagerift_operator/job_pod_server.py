"""Runs attempts as pods of their own: one Job and one Secret each."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from imagerift_core.clock import now
from imagerift_core.isolation import Isolation
from imagerift_core.job_pods import JobPods
from imagerift_core.kube_calls import KubeRefused, KubeUnavailable, words_of
from imagerift_core.kube_job_pods import RunCalls, RunSeen
from imagerift_core.kube_workloads import Trouble, fields_trouble
from imagerift_core.triton import TritonRefused, TritonUnavailable

from imagerift_operator.job_pod_check import JobPodCheck
from imagerift_operator.job_pod_objects import (
    job_selector,
    run_job,
    run_name,
    run_secret,
    selector,
    with_weights,
)
from imagerift_operator.job_pod_runs import (
    BY_QUEUE,
    PodAttempt,
    PodLost,
    Run,
    Step,
    failure,
    job_of,
)
from imagerift_operator.kept_pods import KeptPods
from imagerift_operator.pod_parts import MountedWeights, WeightsNow, no_weights
from imagerift_operator.pod_reports import PodReports

log = structlog.get_logger(__name__)

FOLLOW_SECONDS = 1.0
SWEEP_SECONDS = 30.0
# A run that no attempt waits for is deleted only once it is this old.
SWEEP_GRACE = timedelta(seconds=60)
# One that waits in its queue keeps its place for its job's next attempt, for so long.
KEPT_SECONDS = 600.0
# A server that does not keep a Job's fields is asked again after so long: it may be upgraded.
ASK_AGAIN_SECONDS = 60.0


class JobPodServer:
    """One Job and one Secret per attempt, in a namespace that holds nothing else.

    None is made before the weights that job pods name are Ready, and none that takes a GPU before
    the image was asked whether it has what jobs need.
    A Job that names a queue is made suspended. Its pod's Secret is there only while the queue lets
    it run: the URLs in it are signed when the attempt's time begins, and a pod waits for it.
    """

    def __init__(
        self,
        calls: RunCalls,
        pods: JobPods,
        isolated: Isolation,
        reports: PodReports,
        *,
        shard: str,
        s3_origin: str,
        gate: str | None = None,
    ) -> None:
        self._calls = calls
        self._pods = pods
        self._isolated = isolated
        self.reports = reports
        self._shard = shard
        self._s3_origin = s3_origin
        self._gate = gate
        # Those that job pods name.
        self.weights: WeightsNow = no_weights
        self._check = JobPodCheck(
            calls, pods, shard=shard, s3_origin=s3_origin, gate=gate, weights=self._mounted
        )
        self._kept: KeptPods | None = None
        if pods.keep is not None:
            self._kept = KeptPods(
                calls, pods, pods.keep, shard=shard, s3_origin=s3_origin, gate=gate
            )
            self._kept.weights = self._mounted
        # By the names of their Jobs.
        self._waiting: dict[str, Run] = {}
        # Since when suspended Jobs have been seen that no attempt waits for.
        self._kept_since: dict[str, float] = {}
        self._asked: float | None = None
        self._unfit: Trouble | None = None

    def _mounted(self) -> MountedWeights:
        return self.weights()

    @property
    def suspended(self) -> int:
        """How many attempts wait in a queue."""
        return sum(run.suspended for run in list(self._waiting.values()))

    @property
    def waits(self) -> bool:
        """Whether attempts wait in a queue first, so that whoever waits is told when they begin."""
        return self._pods.queue_name is not None

    @property
    def ready(self) -> bool:
        """Whether pods can be made as they are configured, as far as is known."""
        fit = self._asked is not None and self._unfit is None
        return fit and self.weights().trouble is None and self._check.passed

    @property
    def loading(self) -> bool:
        """Whether all that pods wait for are weights that are on their way."""
        return self._unfit is None and self.weights().coming

    @property
    def trouble(self) -> Trouble | None:
        """What hinders all pods, as far as is known."""
        return self._unfit or self.weights().lack or self._check.trouble

    async def run_attempt(self, attempt: PodAttempt) -> dict[str, Any]:
        """Runs one attempt; returns its RESULT.

        Raises `TritonUnavailable` where the pod was lost or could not be made, and
        `TritonRefused` where Kubernetes refuses it.
        """
        if self.weights().trouble is not None:
            # They were Ready when this was chosen.
            raise TritonUnavailable("the weights of job pods are not ready", sent=False)
        if self._kept is not None:
            return await _as_a_server(self._kept.run_attempt(attempt), attempt)
        run = Run(attempt, asyncio.get_running_loop().create_future(), time.monotonic())
        try:
            await self._begin(run)
            async with asyncio.timeout(None) as run.limit:
                self._set_limit(run)
                return await run.result
        except KubeUnavailable as error:
            raise TritonUnavailable("the API server is away", sent=False) from error
        except KubeRefused as error:
            raise TritonRefused(f"the job pod was refused: {error.reason}") from error
        except TimeoutError as error:
            if run.suspended:
                return failure("timeout", "The job's deadline passed in its queue.")
            raise TritonUnavailable("the job pod gave no result in time", sent=True) from error
        except PodLost as lost:
            if lost.is_preemption:
                await attempt.news.preempted(lost.reason)
            raise
        finally:
            self._waiting.pop(run.name, None)
            # What cannot be deleted now is swept later.
            if run.name and not (run.given_up and run.suspended):
                with contextlib.suppress(KubeUnavailable, KubeRefused):
                    await self._calls.delete(run.name)

    async def ready_models(self, names: Iterable[str]) -> list[str]:
        """All of them: a pod brings its models with it."""
        return sorted(names)

    async def abilities(self) -> None:
        """Nothing is told: each pod brings what its job needs."""

    async def cancel(self, attempt_id: str) -> None:
        """Ends an attempt's pod, whoever started it."""
        if self._kept is not None and await self._kept.cancel(attempt_id):
            return
        run = self._run_of(attempt_id)
        if run is not None and not run.result.done():
            run.result.set_result(failure("canceled", "The job was canceled."))
        names = {run_name(attempt_id) if run is None else run.name}
        if run is None and self.waits:
            # It may have taken over the Job of an earlier attempt.
            with contextlib.suppress(KubeUnavailable, KubeRefused):
                names |= {seen.name for seen in await self._jobs_of(job_of(attempt_id))}
        for name in names:
            with contextlib.suppress(KubeUnavailable, KubeRefused):
                await self._calls.delete(name)

    async def give_up(self, attempt_id: str) -> None:
        """Ends an attempt's pod, but leaves a Job that waits in its queue to the next attempt."""
        run = self._run_of(attempt_id)
        if run is not None:
            run.given_up = True
        suspended = run is not None and run.suspended
        if run is None and self.waits:
            try:
                runs = await self._jobs_of(job_of(attempt_id))
                suspended = any(seen.suspended for seen in runs)
            except (KubeUnavailable, KubeRefused):
                # Whatever it is, it is swept later, or goes on waiting.
                return
        if not suspended:
            await self.cancel(attempt_id)

    async def run(self, leading: Callable[[], bool]) -> None:
        """Follows the pods of attempts in flight until canceled, and sweeps while `leading`."""
        swept = time.monotonic()
        while True:
            sweep_due = leading() and time.monotonic() - swept > SWEEP_SECONDS
            if sweep_due:
                # Also where it is refused: said now and then, not at every look.
                swept = time.monotonic()
            try:
                if leading():
                    await self._ask_what_is_kept()
                    await self._check.step()
                if self._waiting or self._kept or sweep_due:
                    made = [run for run in self._waiting.values() if run.made]
                    runs = await self._calls.runs(selector(self._shard))
                    _miss(made, {seen.name for seen in runs})
                    if self._kept is not None:
                        await self._kept.follow(runs)
                    follow = partial(self._follow, leads=leading(), sweep=sweep_due)
                    await self._isolated.each(runs, follow, id_of=lambda seen: seen.name)
            except (KubeUnavailable, TimeoutError) as error:
                log.warning("job_pods_not_followed", error=str(error))
            except KubeRefused as error:
                log.warning("job_pods_not_followed", status=error.status, words=words_of(error))
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _begin(self, run: Run) -> None:
        """Makes the run's Job, or takes one over that waits in its queue."""
        attempt = run.attempt
        run.suspended = self.waits
        if run.suspended:
            for seen in await self._jobs_of(attempt.job_id):
                if seen.suspended and seen.name not in self._waiting:
                    log.info("job_pod_taken_over", run=seen.name, attempt=attempt.attempt_id)
                    run.preempted(seen.pods)
                    self._wait_for(run, seen.name)
                    await self._calls.delete_secret(seen.name)
                    run.made = True
                    return
        self._wait_for(run, run_name(attempt.attempt_id))
        uid = await self._calls.create_job(self._job(run))
        run.made = True
        if not run.suspended:
            await self._give_request(run, uid)

    def _wait_for(self, run: Run, name: str) -> None:
        run.name = name
        self._waiting[name] = run

    def _job(self, run: Run) -> dict[str, Any]:
        seconds = run.attempt.seconds if run.suspended else self._seconds(run)
        job = run_job(
            run.name,
            self._shard,
            self._pods,
            deadline_seconds=int(seconds + run.attempt.answer_grace),
            s3_origin=self._s3_origin,
            job_id=run.attempt.job_id,
            gate=self._gate,
        )
        return with_weights(job, self.weights())

    async def _jobs_of(self, job_id: str) -> list[RunSeen]:
        return await self._calls.runs(job_selector(self._shard, job_id))

    def _run_of(self, attempt_id: str) -> Run | None:
        runs = self._waiting.values()
        return next((run for run in runs if run.attempt.attempt_id == attempt_id), None)

    async def _ask_what_is_kept(self) -> None:
        """Finds out once whether the server keeps all that the pods' Jobs have."""
        at = time.monotonic()
        queue = self._pods.queue_name
        if self._asked is not None and (
            self._unfit is None or at - self._asked < ASK_AGAIN_SECONDS
        ):
            return
        job = run_job(
            "what-is-kept",
            self._shard,
            self._pods,
            deadline_seconds=1,
            s3_origin=self._s3_origin,
        )
        try:
            lost = await self._calls.not_kept(job)
        except KubeRefused as error:
            # Without a queue it may be the asking alone: not every admission webhook takes it.
            words = f"The API server refuses Jobs of the queue {queue}: {words_of(error)}"
            self._unfit = Trouble("JobRefused", words) if self.waits else None
        else:
            self._unfit = fields_trouble(lost)
            if "spec.suspend" in lost:
                words = (
                    f"Job pods name the queue {queue}, and this API server cannot suspend Jobs: "
                    "that takes Kubernetes 1.22 or later."
                )
                self._unfit = Trouble("SuspendUnsupported", words)
        self._asked = at
        if self._unfit is not None:
            log.warning("job_pods_unfit", reason=self._unfit.reason, words=self._unfit.words)

    async def _follow(self, seen: RunSeen, *, leads: bool, sweep: bool) -> None:
        run = self._waiting.get(seen.name)
        if run is not None:
            self._kept_since.pop(seen.name, None)
            await self._look_at(run, seen, leads=leads)
        elif sweep and not self._is_ours(seen.name):
            await self._sweep(seen)

    def _is_ours(self, name: str) -> bool:
        """Whether a run that no attempt waits for has its use all the same."""
        checks = name == self._check.name and not self._check.passed
        return checks or (self._kept is not None and name in self._kept)

    async def _sweep(self, seen: RunSeen) -> None:
        """Deletes a run that no attempt of ours waits for: its operator died or gave it up."""
        at = time.monotonic()
        if seen.suspended and at - self._kept_since.setdefault(seen.name, at) < KEPT_SECONDS:
            return
        if now() - seen.created_at > SWEEP_GRACE:
            log.info("job_pod_swept", run=seen.name)
            await self._calls.delete(seen.name)
            self._kept_since.pop(seen.name, None)

    async def _look_at(self, run: Run, seen: RunSeen, *, leads: bool) -> None:
        at = time.monotonic()
        step = run.look(seen, at=at, start_seconds=self._pods.start_seconds)
        # Of a Job that waits, whoever leads may have taken over what this process began.
        if step is Step.START and leads:
            await self._give_request(run, seen.uid)
            run.started(at)
            self._set_limit(run)
            await run.attempt.news.started()
        elif step is Step.PREEMPTED:
            await self._calls.delete_secret(seen.name)
            run.preempted(seen.pods)
            self._set_limit(run)
            log.info("job_pod_preempted", run=seen.name)
            run.shown = True
            await run.attempt.news.preempted(BY_QUEUE)
        elif run.suspended and not run.shown:
            run.shown = True
            await run.attempt.news.suspended()

    async def _give_request(self, run: Run, job_uid: str) -> None:
        """Creates the Secret for which the pod waits, with URLs that live from now on."""
        request = run.attempt.request(self._seconds(run))
        secret = run_secret(run.name, self._shard, request)
        await self._calls.create_secret(secret, job_uid=job_uid)

    def _seconds(self, run: Run) -> float:
        """How long an attempt that may start now may take."""
        left = run.job_seconds_left(time.monotonic())
        return max(1.0, run.attempt.seconds if left is None else min(run.attempt.seconds, left))

    def _set_limit(self, run: Run) -> None:
        """Sets when the call is given up: in a queue only the job's own deadline ends it."""
        if run.limit is None:
            return
        left = run.job_seconds_left(time.monotonic())
        seconds = left if run.suspended else self._seconds(run) + run.attempt.answer_grace
        at = asyncio.get_running_loop().time()
        run.limit.reschedule(None if seconds is None else at + max(0.0, seconds))


async def _as_a_server(call: Awaitable[dict[str, Any]], attempt: PodAttempt) -> dict[str, Any]:
    """The RESULT of an attempt on a kept pod, or the error that a server would have."""
    try:
        return await call
    except KubeUnavailable as error:
        raise TritonUnavailable("the API server is away", sent=False) from error
    except KubeRefused as error:
        raise TritonRefused(f"the job pod was refused: {error.reason}") from error
    except PodLost as lost:
        if lost.is_preemption:
            await attempt.news.preempted(lost.reason)
        raise


def _miss(made: list[Run], names: set[str]) -> None:
    """Gives up those of whose Jobs, made before the server was asked, none of `names` is."""
    for run in made:
        if run.name not in names and not run.result.done():
            log.warning("job_pod_lost", run=run.name, reason="JobDeleted")
            run.result.set_exception(PodLost("JobDeleted"))
