"""The pods, Deployments, Services and budgets that the operator makes for model servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from imagerift_core.kube_calls import bounded_call

_APPLY = "application/apply-patch+yaml"
FIELD_MANAGER = "imagerift-operator"
_BUDGETS = "poddisruptionbudgets"


@dataclass(frozen=True)
class PodSeen:
    """What is known of one pod. `unschedulable` holds the scheduler's words."""

    uid: str
    name: str
    address: str | None
    running: bool
    terminating: bool
    unschedulable: str | None


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

    async def apply_deployment(self, body: dict[str, Any]) -> None:
        await self._apply(self._apps.patch_namespaced_deployment, body)

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

    async def deployment_replicas(self, name: str) -> int | None:
        """The replicas that a Deployment asks for, None where there is none of that name."""
        try:
            found = await self._call(
                self._apps.read_namespaced_deployment, name=name, namespace=self.namespace
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        replicas: int | None = found.spec.replicas
        return replicas

    async def delete_server_objects(self, name: str) -> None:
        """Deletes a pool's Deployment, Service and budget; those that are gone are no error."""
        version = await self._policy_version_served()
        budget = {"group": "policy", "version": version, "plural": _BUDGETS}
        for method, further in (
            (self._apps.delete_namespaced_deployment, {}),
            (self._core.delete_namespaced_service, {}),
            (self._objects.delete_namespaced_custom_object, budget),
        ):
            try:
                await self._call(method, name=name, namespace=self.namespace, **further)
            except ApiException as error:
                if error.status != 404:
                    raise

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

    async def _apply(self, method: Any, body: dict[str, Any], **further: Any) -> None:
        await self._call(
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


def _seen(pod: Any) -> PodSeen:
    conditions = {c.type: c for c in pod.status.conditions or ()}
    scheduled = conditions.get("PodScheduled")
    return PodSeen(
        uid=pod.metadata.uid,
        name=pod.metadata.name,
        address=pod.status.pod_ip,
        running=pod.status.phase == "Running",
        terminating=pod.metadata.deletion_timestamp is not None,
        unschedulable=scheduled.message
        if scheduled is not None and scheduled.reason == "Unschedulable"
        else None,
    )
