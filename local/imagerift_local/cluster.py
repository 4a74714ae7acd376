"""What the platform puts into its cluster: resources, rights, the pool, and tokens."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml

from imagerift_local.errors import PlatformError, SetUpError
from imagerift_local.kubeconfig import ClusterAccess
from imagerift_local.settings import CHECKOUT

FIELD_MANAGER = "imagerift-platform"
WORKSPACES_ANNOTATION = "imagerift.dev/workspaces"
SERVICE_ACCOUNTS = ("imagerift-api", "imagerift-operator")
CRD_FOLDER = CHECKOUT / "crds"
# The chart's own: what each ServiceAccount may do.
RBAC_FILE = CHECKOUT / "charts" / "imagerift" / "files" / "rbac.yaml"
NAMESPACE_WORD = "NAMESPACE"
WAIT_TIMEOUT = 60.0
POLL_INTERVAL = 0.1
# The object itself is wrong; everything else may go over.
REFUSED = frozenset({400, 422})

# Where a kind's objects live; all of them are applied by the platform.
_PATHS: Mapping[tuple[str, str], str] = {
    ("v1", "Namespace"): "/api/v1/namespaces",
    ("v1", "ServiceAccount"): "/api/v1/namespaces/{namespace}/serviceaccounts",
    ("v1", "Secret"): "/api/v1/namespaces/{namespace}/secrets",
    ("v1", "PersistentVolume"): "/api/v1/persistentvolumes",
    ("storage.k8s.io/v1", "StorageClass"): "/apis/storage.k8s.io/v1/storageclasses",
    ("rbac.authorization.k8s.io/v1", "Role"): (
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles"
    ),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): (
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    ),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): (
        "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    ),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): (
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    ),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    ),
    ("imagerift.dev/v1", "TritonPool"): (
        "/apis/imagerift.dev/v1/namespaces/{namespace}/tritonpools"
    ),
}


def object_path(manifest: Mapping[str, Any], namespace: str) -> str:
    """The URL path of an object.

    Raises:
        PlatformError: the platform does not know the kind.
    """
    kind = (str(manifest["apiVersion"]), str(manifest["kind"]))
    if kind not in _PATHS:
        raise PlatformError(f"the platform does not apply {kind[0]} {kind[1]}")
    metadata = manifest["metadata"]
    collection = _PATHS[kind].format(namespace=metadata.get("namespace", namespace))
    return f"{collection}/{metadata['name']}"


def rbac_manifests(rules: str, namespace: str) -> list[dict[str, Any]]:
    """ServiceAccounts with a Role each; `rules` is the text of the chart's file of rules."""
    accounts: Mapping[str, Any] = yaml.safe_load(rules.replace(NAMESPACE_WORD, namespace))
    return [
        manifest
        for account, allowed in accounts.items()
        for manifest in _account_manifests(account, allowed, namespace)
    ]


def _account_manifests(account: str, rules: object, namespace: str) -> list[dict[str, Any]]:
    metadata = {"name": account, "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": account},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        },
    ]


def token_secret_manifest(account: str, namespace: str) -> dict[str, Any]:
    """A Secret that the controller manager fills with a token of the ServiceAccount."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {
            "name": f"{account}-token",
            "namespace": namespace,
            "annotations": {"kubernetes.io/service-account.name": account},
        },
    }


def pool_manifest(
    namespace: str, endpoint: str, modes: Iterable[str], slots: int
) -> dict[str, Any]:
    """The TritonPool of the platform's own Triton."""
    return {
        "apiVersion": "imagerift.dev/v1",
        "kind": "TritonPool",
        "metadata": {"name": "default", "namespace": namespace},
        "spec": {"endpoint": endpoint, "slotsPerReplica": slots, "modes": sorted(modes)},
    }


class Cluster:
    """A small client of one API server, for the few calls that the platform makes."""

    def __init__(self, access: ClusterAccess, namespace: str) -> None:
        self._access = access
        self._namespace = namespace
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            base_url=self._access.server,
            headers=self._access.headers,
            timeout=aiohttp.ClientTimeout(total=20.0),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def install(self, pool: Mapping[str, Any] | None) -> None:
        """Applies the namespace, the definitions, the rights and the pool.

        Raises:
            SetUpError: the API server refuses or does not answer.
        """
        await self.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}}
        )
        definitions = _load_all(sorted(CRD_FOLDER.glob("*.yaml")))
        for definition in definitions:
            await self._replace(definition)
        for manifest in rbac_manifests(RBAC_FILE.read_text(), self._namespace):
            await self.apply(manifest)
        for definition in definitions:
            await self._wait_established(definition)
        if pool is not None and definitions:
            await self.apply(pool)

    async def account_tokens(self) -> dict[str, str]:
        """A long-lived token of each of the platform's ServiceAccounts, by account name.

        Raises:
            SetUpError: the controller manager does not fill the Secrets in time.
        """
        for account in SERVICE_ACCOUNTS:
            manifest = token_secret_manifest(account, self._namespace)
            path = object_path(manifest, self._namespace)
            status, _ = await self._call("POST", path.rpartition("/")[0], manifest)
            if status not in {201, 409}:
                raise SetUpError(f"token of {account}: status {status}")
        return {account: await self._wait_token(account) for account in SERVICE_ACCOUNTS}

    async def bind_workspaces(self, workspaces: Sequence[str]) -> None:
        """Adds workspaces to those that the namespace is bound to.

        Raises:
            SetUpError: the API server refuses or does not answer.
        """
        path = f"/api/v1/namespaces/{self._namespace}"
        status, namespace = await self._call("GET", path)
        if status != 200:
            raise SetUpError(f"namespace {self._namespace}: status {status}")
        annotations = namespace["metadata"].get("annotations") or {}
        bound = [entry for entry in annotations.get(WORKSPACES_ANNOTATION, "").split(",") if entry]
        missing = [entry for entry in workspaces if entry not in bound]
        if not missing:
            return
        patch = {"metadata": {"annotations": {WORKSPACES_ANNOTATION: ",".join(bound + missing)}}}
        status, answer = await self._call(
            "PATCH", path, patch, content_type="application/merge-patch+json"
        )
        if status != 200:
            raise SetUpError(f"namespace {self._namespace}: {answer.get('message', status)}")

    async def apply(self, manifest: Mapping[str, Any]) -> None:
        """Server-side apply of one object; the platform wins over other owners of its fields.

        Raises:
            SetUpError: the API server refuses or does not answer.
        """
        path = object_path(manifest, self._namespace)
        status, answer = await self._call(
            "PATCH",
            f"{path}?fieldManager={FIELD_MANAGER}&force=true",
            manifest,
            content_type="application/apply-patch+yaml",
        )
        if status not in {200, 201}:
            raise SetUpError(f"{path}: {answer.get('message', status)}", final=status in REFUSED)

    async def _replace(self, definition: Mapping[str, Any]) -> None:
        # Old servers refuse to apply a definition with fields that they do not know, but take it
        # when it is created or replaced.
        path = object_path(definition, self._namespace)
        status, answer = await self._call("POST", path.rpartition("/")[0], definition)
        if status == 409:
            _, current = await self._call("GET", path)
            version = current.get("metadata", {}).get("resourceVersion")
            metadata = {**definition["metadata"], "resourceVersion": version}
            status, answer = await self._call("PUT", path, {**definition, "metadata": metadata})
        if status not in {200, 201}:
            raise SetUpError(f"{path}: {answer.get('message', status)}", final=status in REFUSED)

    async def _wait_established(self, definition: Mapping[str, Any]) -> None:
        path = object_path(definition, self._namespace)
        deadline = time.monotonic() + WAIT_TIMEOUT
        while True:
            _, current = await self._call("GET", path)
            conditions = (current.get("status") or {}).get("conditions") or []
            if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
                return
            if time.monotonic() > deadline:
                raise SetUpError(f"{path} is not established")
            await asyncio.sleep(POLL_INTERVAL)

    async def _wait_token(self, account: str) -> str:
        path = object_path(token_secret_manifest(account, self._namespace), self._namespace)
        deadline = time.monotonic() + WAIT_TIMEOUT
        while True:
            _, secret = await self._call("GET", path)
            token = (secret.get("data") or {}).get("token")
            if token:
                return base64.b64decode(token).decode()
            if time.monotonic() > deadline:
                raise SetUpError(f"no token of {account} appeared")
            await asyncio.sleep(POLL_INTERVAL)

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> tuple[int, dict[str, Any]]:
        if self._session is None:
            raise RuntimeError("the client is not open")
        try:
            async with self._session.request(
                method,
                path,
                json=body,
                headers={"Content-Type": content_type},
                ssl=self._access.tls or True,
            ) as response:
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise SetUpError(f"{method} {path}: {error}") from error
        return response.status, answer if isinstance(answer, dict) else {}


def _load_all(paths: Iterable[Path]) -> list[dict[str, Any]]:
    return [
        manifest for path in paths for manifest in yaml.safe_load_all(path.read_text()) if manifest
    ]
