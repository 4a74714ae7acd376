"""What the platform puts into its cluster: resources, rights, the pool, and tokens."""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from string import Template
from typing import Any, cast

import aiohttp
import yaml
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.dynamic import DynamicClient
from kubernetes.aio.dynamic.exceptions import ConflictError, ResourceNotFoundError

from imagerift_local.errors import SetUpError
from imagerift_local.settings import CHECKOUT

FIELD_MANAGER = "imagerift-platform"
WORKSPACES_ANNOTATION = "imagerift.dev/workspaces"
SERVICE_ACCOUNTS = ("imagerift-api", "imagerift-operator")
CRD_FOLDER = CHECKOUT / "crds"
MANIFESTS = Path(__file__).with_name("manifests")
# The chart's own: what each ServiceAccount may do, and what the operator may for tenants besides.
RBAC_FILE = CHECKOUT / "charts" / "imagerift" / "files" / "rbac.yaml"
TENANTS_FILE = RBAC_FILE.with_name("tenants-rules.yaml")
NAMESPACE_WORD = "NAMESPACE"
CALL_TIMEOUT = 20.0
WAIT_TIMEOUT = 60.0
POLL_INTERVAL = 0.1
ESTABLISHED = "Established"
# The object itself is wrong; everything else may go over.
REFUSED = frozenset({400, 422})

Manifest = Mapping[str, Any]


def build_manifests(file: str, /, **values: object) -> list[dict[str, Any]]:
    """The objects in that file of `manifests`, with these values in their places."""
    text = (MANIFESTS / f"{file}.yaml").read_text()
    places = {place: json.dumps(value) for place, value in values.items()}
    return list(yaml.safe_load_all(Template(text).substitute(places)))


def rbac_manifests(rules: str, namespace: str) -> list[dict[str, Any]]:
    """ServiceAccounts with a Role each; `rules` is the text of the chart's file of rules."""
    accounts: Mapping[str, Any] = yaml.safe_load(rules.replace(NAMESPACE_WORD, namespace))
    return [
        manifest
        for account, allowed in accounts.items()
        for manifest in build_manifests(
            "account", account=account, namespace=namespace, rules=allowed
        )
    ]


@asynccontextmanager
async def connect_cluster(kubeconfig: Path, namespace: str) -> AsyncIterator[Cluster]:
    """The cluster of a kubeconfig's current context, with the rights of its user.

    Raises:
        SetUpError: what the API server refuses, or that it does not answer; also for all that is
            called on the cluster.
    """
    settings = client.Configuration()
    # The server is this machine's own, or one that is named with the way to it.
    settings.client_session_kwargs = {"trust_env": False}
    with _set_up_errors(), tempfile.TemporaryDirectory(prefix="imagerift-") as scratch:
        await config.load_kube_config(
            config_file=str(kubeconfig), client_configuration=settings, persist_config=False
        )
        # What is known of the server must be no older than the server.
        known = str(Path(scratch) / "discovery.json")
        async with (
            client.ApiClient(settings) as api,
            DynamicClient(api, cache_file=known) as dynamic,
        ):
            yield Cluster(dynamic, namespace)


class Cluster:
    """The few calls that the platform makes; each raises what `connect_cluster` says."""

    def __init__(self, dynamic: Any, namespace: str) -> None:
        self._dynamic = dynamic
        self._namespace = namespace

    async def install(self, **pool: object) -> None:
        """Applies the namespace, the definitions, the rights and the pool of those values."""
        await self.apply(self._manifest("namespace"))
        definitions = [
            yaml.safe_load(path.read_text()) for path in sorted(CRD_FOLDER.glob("*.yaml"))
        ]
        for definition in definitions:
            await self._replace(definition)
        rules = RBAC_FILE.read_text() + TENANTS_FILE.read_text()
        for manifest in rbac_manifests(rules, self._namespace):
            await self.apply(manifest)
        for definition in definitions:
            await self._wait(definition, "is not established", _is_established)
        await self.apply(self._manifest("pool", **pool))

    async def account_tokens(self) -> dict[str, str]:
        """A long-lived token of each of the platform's ServiceAccounts, by account name.

        The controller manager makes them.
        """
        manifests = {
            account: self._manifest("token", account=account, name=f"{account}-token")
            for account in SERVICE_ACCOUNTS
        }
        for manifest in manifests.values():
            await self._create(manifest)
        return {
            account: base64.b64decode(
                await self._wait(manifest, "gets no token", _token_of)
            ).decode()
            for account, manifest in manifests.items()
        }

    async def bind_workspaces(self, workspaces: Sequence[str]) -> None:
        """Adds workspaces to those that the namespace is bound to."""
        manifest = self._manifest("namespace")
        annotations = (await self.get(manifest))["metadata"].get("annotations") or {}
        bound = [entry for entry in annotations.get(WORKSPACES_ANNOTATION, "").split(",") if entry]
        missing = [entry for entry in workspaces if entry not in bound]
        if missing:
            patch = {"annotations": {WORKSPACES_ANNOTATION: ",".join(bound + missing)}}
            await self._call(
                "patch",
                {**manifest, "metadata": {**manifest["metadata"], **patch}},
                content_type="application/merge-patch+json",
            )

    def _manifest(self, file: str, /, **values: object) -> dict[str, Any]:
        (manifest,) = build_manifests(file, namespace=self._namespace, **values)
        return manifest

    async def apply(self, manifest: Manifest) -> None:
        """Server-side apply of one object; the platform wins over other owners of its fields."""
        await self._call(
            "server_side_apply", manifest, field_manager=FIELD_MANAGER, force_conflicts="true"
        )

    async def _replace(self, definition: Manifest) -> None:
        # Old servers refuse to apply a definition with fields that they do not know, but take it
        # when it is created or replaced.
        if not await self._create(definition):
            version = (await self.get(definition))["metadata"]["resourceVersion"]
            metadata = {**definition["metadata"], "resourceVersion": version}
            await self._call("replace", {**definition, "metadata": metadata})

    async def _create(self, manifest: Manifest) -> bool:
        """Whether the object was made; it may be there already."""
        try:
            await self._call("create", manifest)
        except ConflictError:
            return False
        return True

    async def get(self, manifest: Manifest) -> dict[str, Any]:
        """The object of that kind and name as it is now."""
        name = manifest["metadata"]["name"]
        return cast(dict[str, Any], await self._call("get", manifest, name=name, body=None))

    async def _wait(
        self, manifest: Manifest, problem: str, result: Callable[[Manifest], str]
    ) -> str:
        """What `result` finds in the object, as soon as it finds something."""
        deadline = time.monotonic() + WAIT_TIMEOUT
        while not (found := result(await self.get(manifest))):
            if time.monotonic() > deadline:
                raise SetUpError(f"{manifest['kind']} {manifest['metadata']['name']} {problem}")
            await asyncio.sleep(POLL_INTERVAL)
        return found

    async def _call(self, method: str, manifest: Manifest, **more: Any) -> object:
        """One call of the dynamic client; by default the object itself is sent."""
        version = manifest["apiVersion"]
        resource = await self._dynamic.resources.get(
            prefix="apis" if "/" in version else "api", api_version=version, kind=manifest["kind"]
        )
        arguments = {"body": manifest, **more}
        answer = await getattr(self._dynamic, method)(
            resource,
            namespace=manifest["metadata"].get("namespace", self._namespace),
            _request_timeout=CALL_TIMEOUT,
            **{name: value for name, value in arguments.items() if value is not None},
        )
        return answer.to_dict()


@contextmanager
def _set_up_errors() -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        raise SetUpError(_message(error), final=error.status in REFUSED) from error
    except (
        aiohttp.ClientError,
        TimeoutError,
        ResourceNotFoundError,
        config.ConfigException,
    ) as error:
        raise SetUpError(f"the API server: {error or type(error).__name__}") from error


def _message(error: ApiException) -> str:
    """What the API server says itself, without headers and a trace."""
    try:
        return str(json.loads(error.body)["message"])
    except (ValueError, TypeError, KeyError):
        return f"the API server: {error.status} {error.reason}"


def _is_established(definition: Manifest) -> str:
    conditions = (definition.get("status") or {}).get("conditions") or []
    met = {entry["type"] for entry in conditions if entry["status"] == "True"}
    return ESTABLISHED if ESTABLISHED in met else ""


def _token_of(secret: Manifest) -> str:
    return str((secret.get("data") or {}).get("token") or "")
