"""The Secrets, Jobs and pods of jobs that run as pods of their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from imagerift_core.kube_calls import bounded_call


@dataclass(frozen=True)
class RunSeen:
    """What is known of one run: its Job, and the last of its pods."""

    name: str
    created_at: datetime
    failed_reason: str | None
    pod: RunPod | None


@dataclass(frozen=True)
class RunPod:
    """A run's pod. `message` is the termination message; `lost` says why it went unasked."""

    uid: str
    started: bool
    ended: bool
    exit_reason: str | None
    message: str | None
    lost: str | None
    unschedulable: str | None


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

    async def create(self, job: dict[str, Any], secret: dict[str, Any]) -> None:
        """Creates a run's Job, then the Secret that its pod waits for, owned by the Job."""
        made = await self._call(self._batch.create_namespaced_job, body=job)
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": made.metadata.name,
            "uid": made.metadata.uid,
        }
        metadata = secret["metadata"] | {"ownerReferences": [owner]}
        await self._call(self._core.create_namespaced_secret, body=secret | {"metadata": metadata})

    async def delete(self, name: str) -> None:
        """Deletes a run with all that is its own; what is gone is no error."""
        options = client.V1DeleteOptions(propagation_policy="Background")
        for method, further in (
            (self._batch.delete_namespaced_job, {"body": options}),
            (self._core.delete_namespaced_secret, {}),
        ):
            try:
                await self._call(method, name=name, **further)
            except ApiException as error:
                if error.status != 404:
                    raise

    async def runs(self, selector: str) -> list[RunSeen]:
        """Every run that a label selector names, with the last of its pods."""
        jobs = await self._call(self._batch.list_namespaced_job, label_selector=selector)
        pods = await self._call(self._core.list_namespaced_pod, label_selector=selector)
        last: dict[str, Any] = {}
        for pod in sorted(pods.items, key=lambda item: item.metadata.creation_timestamp):
            last[(pod.metadata.labels or {}).get("job-name", "")] = pod
        return [_run_seen(job, last.get(job.metadata.name)) for job in jobs.items]

    async def _call(self, method: Any, **arguments: Any) -> Any:
        return await bounded_call(method, self._timeout, namespace=self.namespace, **arguments)


def _run_seen(job: Any, pod: Any | None) -> RunSeen:
    failed = next((c for c in job.status.conditions or () if c.type == "Failed"), None)
    return RunSeen(
        name=job.metadata.name,
        created_at=job.metadata.creation_timestamp,
        failed_reason=failed.reason if failed is not None and failed.status == "True" else None,
        pod=None if pod is None else _pod_seen(pod),
    )


def _pod_seen(pod: Any) -> RunPod:
    status = pod.status
    conditions = {c.type: c for c in status.conditions or ()}
    scheduled = conditions.get("PodScheduled")
    ended = status.container_statuses[0].state.terminated if status.container_statuses else None
    disrupted = conditions.get("DisruptionTarget")
    lost = None
    if ended is None or not ended.message:
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
    )


# What Kubernetes says of a pod that a node or another pod pushed out.
_LOST_REASONS = frozenset(
    {"Evicted", "NodeLost", "Preempting", "Preempted", "Shutdown", "NodeShutdown", "Terminated"}
)
