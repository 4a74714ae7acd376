"""The Kubernetes API. No other module of ours makes calls to it (Kopf has its own watch)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from imagerift_core.clock_watch import date_of
from imagerift_core.kube_calls import KubeUnavailable, bounded_call
from imagerift_core.kube_events import EventCalls
from imagerift_core.kube_job_pods import RunCalls
from imagerift_core.kube_objects import JSON_PATCH, MERGE_PATCH, CustomObjects
from imagerift_core.kube_tenants import TenantCalls
from imagerift_core.kube_weights import WeightsCalls
from imagerift_core.kube_workloads import Workloads
from imagerift_core.proxies import proxy_to
from imagerift_core.resources import JOBS, POOLS, WEIGHTS

_LIST_PAGE = 500

__all__ = ["Kube", "KubeUnavailable", "connect_kube"]


class Kube:
    """Calls on one namespace's objects, each bounded in time.

    Every method raises `KubeUnavailable` where the server does not answer or answers 429 or
    5xx, and `ApiException` for any refusal that is not part of its result.
    """

    def __init__(self, api: client.ApiClient, namespace: str, *, timeout_seconds: float) -> None:
        self.namespace = namespace
        self._timeout = timeout_seconds
        self._objects = CustomObjects(api, namespace)
        self._core = client.CoreV1Api(api)
        self._coordination = client.CoordinationV1Api(api)
        self._version = client.VersionApi(api)
        self.workloads = Workloads(api, namespace, timeout_seconds=timeout_seconds)
        self.tenants = TenantCalls(api, namespace, timeout_seconds=timeout_seconds)
        self.events = EventCalls(api, namespace, timeout_seconds=timeout_seconds)
        self._api = api

    def runs(self, namespace: str) -> RunCalls:
        """Calls on the namespace of job pods."""
        return RunCalls(self._api, namespace, timeout_seconds=self._timeout)

    def weights_objects(self, namespace: str) -> WeightsCalls:
        """Calls on the volumes and Jobs of weights in a namespace."""
        return WeightsCalls(self._api, namespace, timeout_seconds=self._timeout)

    async def create_job(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Creates a GenerationJob. None where one of that name exists."""
        try:
            return await self._object(self._objects.create, plural=JOBS, body=body)
        except ApiException as error:
            if error.status == 409:
                return None
            raise

    async def get_job(self, name: str) -> dict[str, Any] | None:
        return await self._get(JOBS, name)

    async def list_jobs(self) -> AsyncIterator[dict[str, Any]]:
        """Every GenerationJob of the namespace, page by page, from the server's own truth."""
        following = ""
        while True:
            page = await self._object(
                self._objects.page, plural=JOBS, limit=_LIST_PAGE, following=following
            )
            for item in page["items"]:
                yield item
            following = page["metadata"].get("continue")
            if not following:
                return

    async def patch_job_status(
        self, name: str, status: dict[str, Any], *, uid: str, version: str | None = None
    ) -> dict[str, Any] | None:
        """Writes the whole status of the resource of this very uid. None where it is gone.

        With the resource's `version` as last seen the server has less to do; one that is out of
        date changes nothing of the result.
        """
        if version is not None:
            try:
                return await self._replace_status(name, status, uid=uid, version=version)
            except ApiException as error:
                if error.status == 404:
                    return None
                if error.status != 409:
                    raise
        return await self._write_status(JOBS, name, status, uid)

    async def patch_unchanged_job_status(
        self, name: str, status: dict[str, Any], *, uid: str, version: str
    ) -> dict[str, Any] | None:
        """Writes the whole status of the resource as it is at `version`, None for any other."""
        try:
            return await self._replace_status(name, status, uid=uid, version=version)
        except ApiException as error:
            if error.status in {404, 409}:
                return None
            raise

    async def patch_pool_status(
        self, name: str, status: dict[str, Any], *, uid: str
    ) -> dict[str, Any] | None:
        """Writes the whole status of the pool of this very uid. None where it is gone."""
        return await self._write_status(POOLS, name, status, uid)

    async def patch_weights_status(
        self, name: str, status: dict[str, Any], *, uid: str
    ) -> dict[str, Any] | None:
        """Writes the whole status of the weights of this very uid. None where they are gone."""
        return await self._write_status(WEIGHTS, name, status, uid)

    async def set_weights_finalizers(
        self, name: str, finalizers: list[str], *, uid: str, version: str
    ) -> dict[str, Any] | None:
        """Writes the finalizers of weights as last seen; None where they are gone or changed."""
        metadata = {"finalizers": finalizers, "uid": uid, "resourceVersion": version}
        try:
            return await self._object(
                self._objects.patch,
                plural=WEIGHTS,
                name=name,
                body={"metadata": metadata},
                content_type=MERGE_PATCH,
            )
        except ApiException as error:
            if error.status in {404, 409}:
                return None
            raise

    async def request_cancel(self, name: str) -> dict[str, Any] | None:
        """Sets `spec.cancel`. None where the resource is gone."""
        try:
            return await self._object(
                self._objects.patch,
                plural=JOBS,
                name=name,
                body={"spec": {"cancel": True}},
                content_type=MERGE_PATCH,
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    async def delete_job(self, name: str, *, uid: str | None = None) -> None:
        """Deletes the resource of this uid; one that is gone or another's is no error."""
        try:
            await self._object(self._objects.delete, plural=JOBS, name=name, uid=uid)
        except ApiException as error:
            if error.status not in {404, 409}:
                raise

    async def time(self) -> datetime:
        """What the API server's own clock says, to the second."""
        answer = await self._call(self._version.get_code_with_http_info)
        return date_of(answer.headers)

    async def namespace_annotations(self) -> dict[str, str]:
        namespace = await self._call(self._core.read_namespace, name=self.namespace)
        return namespace.metadata.annotations or {}

    async def get_lease(self, name: str) -> Any | None:
        try:
            return await self._call(
                self._coordination.read_namespaced_lease, name=name, namespace=self.namespace
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    async def create_lease(self, lease: Any) -> Any | None:
        """Creates the lease and returns it, None where somebody else created it first."""
        return await self._lease_write(
            self._coordination.create_namespaced_lease, namespace=self.namespace, body=lease
        )

    async def replace_lease(self, lease: Any) -> Any | None:
        """Replaces the lease at its resource version; None where it was changed meanwhile."""
        return await self._lease_write(
            self._coordination.replace_namespaced_lease,
            name=lease.metadata.name,
            namespace=self.namespace,
            body=lease,
        )

    async def _lease_write(self, method: Any, **arguments: Any) -> Any | None:
        try:
            return await self._call(method, **arguments)
        except ApiException as error:
            if error.status == 409:
                return None
            raise

    async def _write_status(
        self, plural: str, name: str, status: dict[str, Any], uid: str
    ) -> dict[str, Any] | None:
        # A merge patch would not do: servers drop its metadata, and with it the uid, when they
        # take a status. The test is made on the object as it is stored.
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        try:
            return await self._object(
                self._objects.patch,
                plural=plural,
                name=name,
                body=operations,
                content_type=JSON_PATCH,
                subresource="status",
            )
        except ApiException as error:
            if error.status == 404:
                return None
            if error.status == 422 and not await self._is_there(plural, name, uid):
                return None
            raise

    async def _replace_status(
        self, name: str, status: dict[str, Any], *, uid: str, version: str
    ) -> dict[str, Any]:
        return await self._object(
            self._objects.replace_status,
            plural=JOBS,
            kind="GenerationJob",
            name=name,
            status=status,
            uid=uid,
            version=version,
        )

    async def _is_there(self, plural: str, name: str, uid: str) -> bool:
        found = await self._get(plural, name)
        return found is not None and found["metadata"]["uid"] == uid

    async def _get(self, plural: str, name: str) -> dict[str, Any] | None:
        try:
            found = await self._object(self._objects.get, plural=plural, name=name)
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return found

    async def _object(self, method: Any, **arguments: Any) -> dict[str, Any]:
        result: dict[str, Any] = await self._call(method, **arguments)
        return result

    async def _call(self, method: Any, **arguments: Any) -> Any:
        return await bounded_call(method, self._timeout, **arguments)


@asynccontextmanager
async def connect_kube(
    kubeconfig: Path | None, namespace: str, *, timeout_seconds: float = 10, connections: int = 32
) -> AsyncIterator[Kube]:
    """A client for `namespace` from a kubeconfig, or from the pod's own service account."""
    configuration = client.Configuration()
    if kubeconfig is not None:
        await config.load_kube_config(
            config_file=str(kubeconfig), client_configuration=configuration
        )
    else:
        config.load_incluster_config(client_configuration=configuration)
    configuration.connection_pool_maxsize = connections
    # Found once here; the client would look for proxies and passwords at every call.
    configuration.proxy = configuration.proxy or proxy_to(configuration.host)
    configuration.client_session_kwargs = {"trust_env": False}
    async with client.ApiClient(configuration) as api:
        yield Kube(api, namespace, timeout_seconds=timeout_seconds)
