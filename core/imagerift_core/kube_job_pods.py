"""The Secrets, Jobs and pods of jobs that run as pods of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernetes.aio import client

from imagerift_core.kept_fields import not_kept
from imagerift_core.kube_calls import bounded_call, passing_over


@dataclass(frozen=True)
class RunSeen:
    """What is known of one run: its Job, and its pods, the oldest first.

    `suspended` says that the Job is to have no pod, as while a queue of Kueue's holds it.
    """

    name: str
    uid: str
    created_at: datetime
    failed_reason: str | None
    pods: tuple[RunPod, ...] = ()
    suspended: bool = False


@dataclass(frozen=True)
class RunPod:
    """A run's pod. `message` is the termination message; `lost` says why it goes unasked."""

    uid: str
    started: bool
    ended: bool
    exit_reason: str | None
    message: str | None
    lost: str | None
    unschedulable: str | None
    address: str | None = None


class RunCalls:
    """Calls on the namespace of job pods, each bounded in time.

    Every method raises `KubeUnavailable` where the server does not answer or answers 429 or
    5xx, and `KubeRefused` for any other refusal.
    """

    def __init__(self, api: client.ApiClient, namespace: str, *, timeout_seconds: float) -> None:
        self.namespace = namespace
        self._timeout = timeout_seconds
        self._core = client.CoreV1Api(api)
        self._batch = client.BatchV1Api(api)

    async def not_kept(self, job: dict[str, Any]) -> list[str]:
        """The fields of this Job that the server would leave out; of it nothing is stored.

        As `spec.suspend`, which servers before 1.22 do not know. The time after which Kubernetes
        deletes a Job that has ended is not among them: the operator deletes it anyway.
        """
        made = await self._call(self._batch.create_namespaced_job, body=job, dry_run="All")
        kept = self._batch.api_client.sanitize_for_serialization(made)
        needed = {name: v for name, v in job["spec"].items() if name != "ttlSecondsAfterFinished"}
        return not_kept({"spec": needed}, kept)

    async def create_job(self, job: dict[str, Any]) -> str:
        """Creates a run's Job, whose pod waits for its Secret; returns the Job's uid."""
        made = await self._call(self._batch.create_namespaced_job, body=job)
        return str(made.metadata.uid)

    async def create_secret(self, secret: dict[str, Any], *, job_uid: str) -> None:
        """Creates the Secret of a run's pod, owned by its Job; one that is there stays."""
        metadata = secret["metadata"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": job_uid}
        body = secret | {"metadata": metadata | {"ownerReferences": [owner]}}
        with passing_over(409):
            await self._call(self._core.create_namespaced_secret, body=body)

    async def delete(self, name: str) -> None:
        """Deletes a run with all that is its own; what is gone is no error."""
        options = client.V1DeleteOptions(propagation_policy="Background")
        with passing_over(404):
            await self._call(self._batch.delete_namespaced_job, name=name, body=options)
        await self.delete_secret(name)

    async def delete_secret(self, name: str) -> None:
        """Deletes the Secret of a run's pod; one that is gone is no error."""
        with passing_over(404):
            await self._call(self._core.delete_namespaced_secret, name=name)

    async def runs(self, selector: str) -> list[RunSeen]:
        """Every run that a label selector names, with its pods.

        The Jobs are asked for last: a pod that went since its Job was suspended is then found
        with a Job that says so.
        """
        listed = await self._call(self._core.list_namespaced_pod, label_selector=selector)
        jobs = await self._call(self._batch.list_namespaced_job, label_selector=selector)
        pods: defaultdict[str, list[RunPod]] = defaultdict(list)
        for pod in sorted(listed.items, key=lambda item: item.metadata.creation_timestamp):
            pods[(pod.metadata.labels or {}).get("job-name", "")].append(_pod_seen(pod))
        return [_run_seen(job, pods[job.metadata.name]) for job in jobs.items]

    async def _call(self, method: Any, **arguments: Any) -> Any:
        return await bounded_call(method, self._timeout, namespace=self.namespace, **arguments)


def _run_seen(job: Any, pods: Sequence[RunPod]) -> RunSeen:
    failed = next((c for c in job.status.conditions or () if c.type == "Failed"), None)
    return RunSeen(
        name=job.metadata.name,
        uid=job.metadata.uid,
        created_at=job.metadata.creation_timestamp,
        failed_reason=failed.reason if failed is not None and failed.status == "True" else None,
        pods=tuple(pods),
        suspended=job.spec.suspend is True,
    )


def _pod_seen(pod: Any) -> RunPod:
    status = pod.status
    conditions = {c.type: c for c in status.conditions or ()}
    scheduled = conditions.get("PodScheduled")
    ended = status.container_statuses[0].state.terminated if status.container_statuses else None
    disrupted = conditions.get("DisruptionTarget")
    lost = None
    if disrupted is not None and disrupted.status == "True":
        lost = disrupted.reason
    elif status.reason in _LOST_REASONS:
        lost = status.reason
    elif pod.metadata.deletion_timestamp is not None:
        lost = "Deleted"
    return RunPod(
        uid=pod.metadata.uid,
        started=status.phase in {"Running", "Succeeded", "Failed"},
        ended=ended is not None or status.phase in {"Succeeded", "Failed"},
        exit_reason=ended.reason if ended is not None else None,
        message=ended.message if ended is not None else None,
        lost=lost,
        unschedulable=scheduled.message
        if scheduled is not None and scheduled.reason == "Unschedulable"
        else None,
        address=status.pod_ip,
    )


# What Kubernetes says of a pod that a node or another pod pushed out.
_LOST_REASONS = frozenset(
    {"Evicted", "NodeLost", "Preempting", "Preempted", "Shutdown", "NodeShutdown", "Terminated"}
)
