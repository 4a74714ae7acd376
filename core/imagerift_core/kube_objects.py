"""Custom objects as plain JSON, over the Kubernetes client's own connections and credentials.

The generated methods copy every body twice and look up its type by name, which costs more than
the call itself; objects of ours are plain values already.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import orjson
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from imagerift_core.resources import GROUP, VERSION

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
_AUTHENTICATION = ["BearerToken"]


class CustomObjects:
    """Calls on the project's custom objects of one namespace.

    Every method raises `ApiException` for an answer other than 2xx, and what the connection
    raises. `_request_timeout` is in seconds.
    """

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api = api
        self._path = f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace, safe='')}"

    async def create(
        self, *, plural: str, body: dict[str, Any], _request_timeout: float
    ) -> dict[str, Any]:
        return await self._send("POST", plural, body, timeout=_request_timeout)

    async def get(self, *, plural: str, name: str, _request_timeout: float) -> dict[str, Any]:
        return await self._send("GET", f"{plural}/{_quoted(name)}", timeout=_request_timeout)

    async def page(
        self, *, plural: str, limit: int, following: str, _request_timeout: float
    ) -> dict[str, Any]:
        """One page of a list; `following` is the token of the page before, or empty."""
        query: dict[str, Any] = {"limit": limit}
        if following:
            query["continue"] = following
        return await self._send("GET", f"{plural}?{urlencode(query)}", timeout=_request_timeout)

    async def patch(
        self,
        *,
        plural: str,
        name: str,
        body: Any,
        content_type: str,
        subresource: str = "",
        _request_timeout: float,
    ) -> dict[str, Any]:
        path = f"{plural}/{_quoted(name)}" + (f"/{subresource}" if subresource else "")
        return await self._send("PATCH", path, body, content_type, timeout=_request_timeout)

    async def replace_status(
        self,
        *,
        plural: str,
        kind: str,
        name: str,
        status: dict[str, Any],
        uid: str,
        version: str,
        _request_timeout: float,
    ) -> dict[str, Any]:
        """Replaces the status of the object of this uid at this version (409 for another).

        Of the rest the server keeps what it has, so it is not sent.
        """
        metadata = {"name": name, "uid": uid, "resourceVersion": version}
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": kind,
            "metadata": metadata,
            "status": status,
        }
        path = f"{plural}/{_quoted(name)}/status"
        return await self._send("PUT", path, body, timeout=_request_timeout)

    async def delete(
        self, *, plural: str, name: str, uid: str | None, _request_timeout: float
    ) -> dict[str, Any]:
        """Deletes the object; with a uid only the one of that uid (409 for another)."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid:
            options["preconditions"] = {"uid": uid}
        path = f"{plural}/{_quoted(name)}"
        return await self._send("DELETE", path, options, timeout=_request_timeout)

    async def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = JSON,
        *,
        timeout: float,
    ) -> dict[str, Any]:
        api = self._api
        url = f"{api.configuration.host}{self._path}/{path}"
        headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": api.user_agent}
        # Tokens are renewed in here.
        await api.update_params_for_auth(headers, [], _AUTHENTICATION, path, method, body)
        response = await api.rest_client.request(
            method, url, headers=headers, body=body, _request_timeout=timeout
        )
        data = await response.read()
        if not 200 <= response.status <= 299:
            raise ApiException.from_response(
                http_resp=response, body=data.decode(errors="replace"), data=None
            )
        result: dict[str, Any] = orjson.loads(data)
        return result


def _quoted(name: str) -> str:
    return quote(name, safe="")
