"""The pods, Deployments, Services and budgets that the operator makes for model servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from imagerift_core.kept_fields import not_kept
from imagerift_core.kube_calls import bounded_call, passing_over

_APPLY = "application/apply-patch+yaml"
FIELD_MANAGER = "imagerift-operator"
_BUDGETS = "poddisruptionbudgets"


# Of pods of which a ReplicaSet may take some: those with the lowest number go first.
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
# A container that waits for one of these is on its way.
ON_ITS_WAY = frozenset({"ContainerCreating", "PodInitializing"})
# Characters of what a container has said before its end.
_LAST_WORDS = 600


@dataclass(frozen=True)
class Trouble:
    """Why a server is not there: a word for programs, and Kubernetes' own words."""

    reason: str
    words: str


@dataclass(frozen=True)
class PodSeen:
    """What is known of one pod. `unschedulable` holds the scheduler's words."""

    uid: str
    name: str
    address: str | None
    running: bool
    terminating: bool
    # Whether it has ended for good, as one that was evicted.
    ended: bool
    placed: bool
    unschedulable: str | None
    trouble: Trouble | None
    deletion_cost: int


@dataclass(frozen=True)
class DeploymentSeen:
    """What a Deployment asks for, and why its pods cannot be made or do not come.

    `not_kept` are the fields that the server has left out of what was applied.
    """

    replicas: int
    trouble: Trouble | None
    not_kept: tuple[str, ...] = ()


def fields_trouble(fields: Sequence[str]) -> Trouble | None:
    """What is wrong where a server has left out fields, None where there are none."""
    if not fields:
        return None
    words = (
        f"The API server has not kept {', '.join(fields)}: it is older than that, has it switched "
        "off, or an admission webhook takes it away."
    )
    return Trouble("FieldsNotKept", words)


class Workloads:
    """Calls on one namespace's workloads, each bounded in time.

    Every method raises `KubeUnavailable` where the server does not answer or answers 429 or
    5xx, and `ApiException` for any refusal that is not part of its result. Applying is
    server-side apply: what others changed of our fields is put back, fields of theirs stay.
    """

    def __init__(self, api: client.ApiClient, namespace: str, *, timeout_seconds: float) -> None:
        self.namespace = namespace
        self._timeout = timeout_seconds
        self._apps = client.AppsV1Api(api)
        self._core = client.CoreV1Api(api)
        self._policy = client.PolicyV1Api(api)
        self._objects = client.CustomObjectsApi(api)
        self._policy_version: str | None = None

    async def apply_deployment(self, body: dict[str, Any]) -> DeploymentSeen:
        made = await self._apply(self._apps.patch_namespaced_deployment, body)
        kept = self._apps.api_client.sanitize_for_serialization(made)
        lost = not_kept({"spec": body["spec"]}, kept)
        return replace(_deployment_seen(made), not_kept=tuple(lost))

    async def apply_service(self, body: dict[str, Any]) -> None:
        await self._apply(self._core.patch_namespaced_service, body)

    async def apply_disruption_budget(self, body: dict[str, Any]) -> None:
        """Applies a budget, in the newest version of policy that the server has."""
        version = await self._policy_version_served()
        await self._apply(
            self._objects.patch_namespaced_custom_object,
            body | {"apiVersion": f"policy/{version}"},
            group="policy",
            version=version,
            plural=_BUDGETS,
        )

    async def deployment(self, name: str) -> DeploymentSeen | None:
        """A Deployment as it is now, None where there is none of that name."""
        try:
            found = await self._call(
                self._apps.read_namespaced_deployment, name=name, namespace=self.namespace
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return _deployment_seen(found)

    async def delete_server_objects(self, name: str) -> None:
        """Deletes a pool's Deployment, Service and budget; those that are gone are no error."""
        version = await self._policy_version_served()
        budget = {"group": "policy", "version": version, "plural": _BUDGETS}
        for method, further in (
            (self._apps.delete_namespaced_deployment, {}),
            (self._core.delete_namespaced_service, {}),
            (self._objects.delete_namespaced_custom_object, budget),
        ):
            with passing_over(404):
                await self._call(method, name=name, namespace=self.namespace, **further)

    async def pods(self, selector: str) -> list[PodSeen]:
        """The pods that a label selector names, oldest first, from the server's cache."""
        listed = await self._call(
            self._core.list_namespaced_pod,
            namespace=self.namespace,
            label_selector=selector,
            resource_version="0",
        )
        pods = sorted(listed.items, key=lambda pod: pod.metadata.creation_timestamp)
        return [_seen(pod) for pod in pods]

    async def set_deletion_cost(self, pod: str, cost: int) -> None:
        """Says how much a pod is worth when some have to go; one that is gone is no error."""
        body = {"metadata": {"annotations": {DELETION_COST: str(cost)}}}
        with passing_over(404):
            await self._call(
                self._core.patch_namespaced_pod, name=pod, namespace=self.namespace, body=body
            )

    async def _policy_version_served(self) -> str:
        """`v1`, or `v1beta1` on servers before 1.21."""
        if self._policy_version is None:
            try:
                await self._call(self._policy.get_api_resources)
                self._policy_version = "v1"
            except ApiException as error:
                if error.status != 404:
                    raise
                self._policy_version = "v1beta1"
        return self._policy_version

    async def _apply(self, method: Any, body: dict[str, Any], **further: Any) -> Any:
        return await self._call(
            method,
            name=body["metadata"]["name"],
            namespace=self.namespace,
            body=body,
            field_manager=FIELD_MANAGER,
            force=True,
            _content_type=_APPLY,
            **further,
        )

    async def _call(self, method: Any, **arguments: Any) -> Any:
        return await bounded_call(method, self._timeout, **arguments)


def _deployment_seen(found: Any) -> DeploymentSeen:
    conditions = {c.type: c for c in (found.status and found.status.conditions) or ()}
    failed, progressing = conditions.get("ReplicaFailure"), conditions.get("Progressing")
    trouble = None
    if failed is not None and failed.status == "True":
        # Such as a quota that is used up, or a priority class that there is not.
        trouble = Trouble(failed.reason, failed.message)
    elif progressing is not None and progressing.status == "False":
        trouble = Trouble(progressing.reason, progressing.message)
    return DeploymentSeen(found.spec.replicas, trouble)


def _seen(pod: Any) -> PodSeen:
    conditions = {c.type: c for c in pod.status.conditions or ()}
    scheduled = conditions.get("PodScheduled")
    unschedulable = None
    if scheduled is not None and scheduled.reason == "Unschedulable":
        unschedulable = scheduled.message
    return PodSeen(
        uid=pod.metadata.uid,
        name=pod.metadata.name,
        address=pod.status.pod_ip,
        running=pod.status.phase == "Running",
        terminating=pod.metadata.deletion_timestamp is not None,
        ended=pod.status.phase in {"Succeeded", "Failed"},
        placed=bool(pod.spec.node_name) or (scheduled is not None and scheduled.status == "True"),
        unschedulable=unschedulable,
        trouble=Trouble("Unschedulable", unschedulable)
        if unschedulable is not None
        else _container_trouble(pod),
        deletion_cost=_number((pod.metadata.annotations or {}).get(DELETION_COST, "0")),
    )


def _container_trouble(pod: Any) -> Trouble | None:
    """Why a container does not run, or why it ended before it was ready, as the kubelet says."""
    for status in pod.status.container_statuses or ():
        waiting = status.state and status.state.waiting
        ended = (status.state and status.state.terminated) or (
            status.last_state and status.last_state.terminated
        )
        # One that has come up since says so by `started`.
        if ended is not None and not status.started:
            words = (
                f"The server ended with exit code {ended.exit_code} ({ended.reason or 'no reason'})"
                f" and was started anew {status.restart_count} time(s)."
            )
            if ended.message:
                # What the server's front has left in the termination log: models with their error.
                words += f" It said: {' '.join(ended.message.split())[:_LAST_WORDS]}"
            if ended.reason == "OOMKilled":
                return Trouble("OOMKilled", words)
            waits_for = waiting and waiting.reason
            on_its_way = not waits_for or waits_for in ON_ITS_WAY
            return Trouble("ServerEnded" if on_its_way else waits_for, words)
        if waiting is not None and waiting.reason and waiting.reason not in ON_ITS_WAY:
            return Trouble(waiting.reason, waiting.message or waiting.reason)
    return None


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0
