"""The volumes and Jobs that weights are downloaded by, in one namespace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from imagerift_core.kube_calls import bounded_call, passing_over
from imagerift_core.kube_workloads import ON_ITS_WAY, Trouble
from imagerift_core.resources import GROUP

# Of a claim: the uid of the ModelWeights that it was made for.
OWNER_LABEL = f"{GROUP}/weights-uid"


@dataclass(frozen=True)
class ClaimSeen:
    """A PersistentVolumeClaim, and the uid of the weights that it was made for, if any."""

    owner: str | None


@dataclass(frozen=True)
class DownloadSeen:
    """A Job that downloads, with its pod.

    `report` is the pod's termination message, `address` where the pod tells its progress,
    `trouble` why it does not come up, `failed_at` when the Job failed.
    """

    name: str
    succeeded: bool
    failed_at: datetime | None
    terminating: bool
    report: str | None
    address: str | None
    trouble: Trouble | None


class WeightsCalls:
    """Calls on one namespace, each bounded in time.

    Every method raises `KubeUnavailable` where the server does not answer or answers 429 or 5xx,
    and `KubeRefused` for any refusal that is not part of its result.
    """

    def __init__(self, api: client.ApiClient, namespace: str, *, timeout_seconds: float) -> None:
        self.namespace = namespace
        self._timeout = timeout_seconds
        self._core = client.CoreV1Api(api)
        self._batch = client.BatchV1Api(api)

    async def claim(self, name: str) -> ClaimSeen | None:
        """A claim of this name, None where there is none."""
        try:
            found = await self._call(self._core.read_namespaced_persistent_volume_claim, name=name)
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return ClaimSeen((found.metadata.labels or {}).get(OWNER_LABEL))

    async def create_claim(self, body: dict[str, Any]) -> None:
        """Creates a claim; one of that name stays as it is."""
        with passing_over(409):
            await self._call(self._core.create_namespaced_persistent_volume_claim, body=body)

    async def delete_claim(self, name: str) -> None:
        """Deletes a claim, and so its volume; one that is gone is no error."""
        with passing_over(404):
            await self._call(self._core.delete_namespaced_persistent_volume_claim, name=name)

    async def create_job(self, body: dict[str, Any]) -> None:
        """Creates a Job; one of that name stays as it is."""
        with passing_over(409):
            await self._call(self._batch.create_namespaced_job, body=body)

    async def delete_job(self, name: str) -> None:
        """Deletes a Job with its pods; one that is gone is no error."""
        options = client.V1DeleteOptions(propagation_policy="Foreground")
        with passing_over(404):
            await self._call(self._batch.delete_namespaced_job, name=name, body=options)

    async def keeps_image_volume(self, body: dict[str, Any]) -> bool:
        """Whether the server keeps the image of this Job's volume; of the Job nothing is stored.

        One that knows no image volumes makes an empty folder of it, one that has them switched
        off refuses a volume of no kind.
        """
        try:
            made = await self._call(self._batch.create_namespaced_job, body=body, dry_run="All")
        except ApiException as error:
            if error.status in {400, 422}:
                return False
            raise
        (volume,) = made.spec.template.spec.volumes
        return volume.image is not None

    async def downloads(self, selector: str) -> list[DownloadSeen]:
        """The Jobs that a label selector names, the oldest first, each with its youngest pod."""
        jobs = await self._call(self._batch.list_namespaced_job, label_selector=selector)
        if not jobs.items:
            return []
        listed = await self._call(self._core.list_namespaced_pod, label_selector=selector)
        pods = sorted(listed.items, key=lambda pod: pod.metadata.creation_timestamp)
        return [
            _seen(job, [p for p in pods if (p.metadata.labels or {}).get("job-name") == name])
            for job in sorted(jobs.items, key=lambda job: job.metadata.creation_timestamp)
            for name in (job.metadata.name,)
        ]

    async def _call(self, method: Any, **arguments: Any) -> Any:
        return await bounded_call(method, self._timeout, namespace=self.namespace, **arguments)


def _seen(job: Any, pods: Sequence[Any]) -> DownloadSeen:
    conditions = {c.type: c for c in (job.status and job.status.conditions) or ()}
    failed, complete = conditions.get("Failed"), conditions.get("Complete")
    pod = pods[-1] if pods else None
    ended = None
    if pod is not None and pod.status.container_statuses:
        state = pod.status.container_statuses[0].state
        ended = state and state.terminated
    return DownloadSeen(
        name=job.metadata.name,
        succeeded=complete is not None and complete.status == "True",
        failed_at=failed.last_transition_time
        if failed is not None and failed.status == "True"
        else None,
        terminating=job.metadata.deletion_timestamp is not None,
        report=ended.message if ended else None,
        address=pod.status.pod_ip if pod is not None and pod.status.phase == "Running" else None,
        trouble=_trouble(pod) if pod is not None else None,
    )


def _trouble(pod: Any) -> Trouble | None:
    """Why a pod does not come up, as the scheduler or the kubelet says."""
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.reason == "Unschedulable":
            return Trouble("Unschedulable", condition.message or "No node has a place.")
    for status in pod.status.container_statuses or ():
        waiting = status.state and status.state.waiting
        if waiting and waiting.reason and waiting.reason not in ON_ITS_WAY:
            return Trouble(waiting.reason, waiting.message or waiting.reason)
    return None
