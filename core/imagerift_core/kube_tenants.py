"""Calls on the resources of tenants, and on the Secrets that their tokens are handed over in."""

from __future__ import annotations

from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from imagerift_core.kube_calls import bounded_call
from imagerift_core.kube_objects import JSON_PATCH, CustomObjects


class TenantCalls:
    """Calls on one namespace, each bounded in time.

    Every method raises `KubeUnavailable` where the server does not answer or answers 429 or
    5xx, and `ApiException` for any refusal that is not part of its result.
    """

    def __init__(self, api: client.ApiClient, namespace: str, *, timeout_seconds: float) -> None:
        self._namespace = namespace
        self._timeout = timeout_seconds
        self._objects = CustomObjects(api, namespace)
        self._core = client.CoreV1Api(api)

    async def set_finalizers(
        self, plural: str, body: dict[str, Any], finalizers: list[str]
    ) -> dict[str, Any] | None:
        """The object with these finalizers; None where it is gone or was changed since `body`."""
        operation: dict[str, Any] = {"op": "add", "path": "/metadata/finalizers"}
        version = body["metadata"]["resourceVersion"]
        return await self._patched(
            plural,
            body,
            [
                {"op": "test", "path": "/metadata/resourceVersion", "value": version},
                operation | {"value": finalizers},
            ],
        )

    async def write_status(
        self, plural: str, body: dict[str, Any], status: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Writes the whole status of this very object; None where it is gone."""
        operations = [{"op": "add", "path": "/status", "value": status}]
        return await self._patched(plural, body, operations, subresource="status")

    async def create_secret(self, secret: dict[str, Any], *, only_try: bool = False) -> bool:
        """Makes the Secret, or only asks whether it could be made. False where one of its name
        exists, which is neither read nor changed."""
        try:
            await bounded_call(
                self._core.create_namespaced_secret,
                self._timeout,
                namespace=self._namespace,
                body=secret,
                **({"dry_run": "All"} if only_try else {}),
            )
        except ApiException as error:
            if error.status == 409:
                return False
            raise
        return True

    async def _patched(
        self,
        plural: str,
        body: dict[str, Any],
        operations: list[dict[str, Any]],
        *,
        subresource: str = "",
    ) -> dict[str, Any] | None:
        metadata = body["metadata"]
        same = {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]}
        try:
            found: dict[str, Any] = await bounded_call(
                self._objects.patch,
                self._timeout,
                plural=plural,
                name=metadata["name"],
                body=[same, *operations],
                content_type=JSON_PATCH,
                subresource=subresource,
            )
        except ApiException as error:
            if error.status in {404, 409}:
                return None
            if error.status == 422 and not await self._is_as_seen(plural, body):
                return None
            raise
        return found

    async def _is_as_seen(self, plural: str, body: dict[str, Any]) -> bool:
        metadata = body["metadata"]
        try:
            found: dict[str, Any] = await bounded_call(
                self._objects.get, self._timeout, plural=plural, name=metadata["name"]
            )
        except ApiException as error:
            if error.status == 404:
                return False
            raise
        now = found["metadata"]
        return bool(
            now["uid"] == metadata["uid"] and now["resourceVersion"] == metadata["resourceVersion"]
        )
