"""Kubernetes Events: what `kubectl describe` shows below an object."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from imagerift_core.kube_calls import bounded_call
from imagerift_core.kube_objects import MERGE_PATCH
from imagerift_core.resources import GROUP, VERSION

# The bounds that the API server sets.
_MAX_NOTE = 1024
_MAX_REASON = 128
_API = {"group": "events.k8s.io", "version": "v1", "plural": "events"}


@dataclass(frozen=True)
class Regarding:
    """The object of ours that an Event is about."""

    kind: Literal["GenerationJob", "ModelWeights", "TritonPool"]
    name: str
    uid: str


class EventCalls:
    """Calls on one namespace's Events, each bounded in time.

    Every method raises `KubeUnavailable` where the server does not answer or answers 429 or
    5xx, and `ApiException` for any refusal that is not part of its result.
    """

    def __init__(self, api: client.ApiClient, namespace: str, *, timeout_seconds: float) -> None:
        self._namespace = namespace
        self._timeout = timeout_seconds
        self._objects = client.CustomObjectsApi(api)

    async def create(
        self,
        name: str,
        regarding: Regarding,
        *,
        kind: Literal["Normal", "Warning"],
        reason: str,
        note: str,
        reporter: str,
        at: datetime,
    ) -> bool:
        """Creates an Event; False where there is one of that name. A long note is cut."""
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": self._namespace},
            "eventTime": _micro_time(at),
            "type": kind,
            "reason": reason[:_MAX_REASON],
            "note": note[:_MAX_NOTE],
            "action": "Follow",
            "regarding": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": regarding.kind,
                "namespace": self._namespace,
                "name": regarding.name,
                "uid": regarding.uid,
            },
            "reportingController": f"{GROUP}/operator",
            "reportingInstance": reporter[:128],
        }
        try:
            await self._call(self._objects.create_namespaced_custom_object, body=body)
        except ApiException as error:
            if error.status == 409:
                return False
            raise
        return True

    async def repeat(self, name: str, *, count: int, note: str, at: datetime) -> bool:
        """Says of an Event that it has now happened `count` times; False where it is gone."""
        series = {"count": count, "lastObservedTime": _micro_time(at)}
        try:
            await self._call(
                self._objects.patch_namespaced_custom_object,
                name=name,
                body={"series": series, "note": note[:_MAX_NOTE]},
                _content_type=MERGE_PATCH,
            )
        except ApiException as error:
            if error.status == 404:
                return False
            raise
        return True

    async def _call(self, method: Any, **arguments: Any) -> Any:
        return await bounded_call(
            method, self._timeout, namespace=self._namespace, **_API, **arguments
        )


def _micro_time(at: datetime) -> str:
    """A time of exactly six decimals, the only spelling that the server reads here."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
