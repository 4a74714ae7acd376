"""A namespace of its own for each run, in a cluster with the resources' definitions."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from imagerift_core.kube import Kube, connect_kube
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

CRDS = Path(__file__).parents[3] / "crds"
ESTABLISHED_SECONDS = 150


@pytest.fixture(scope="session")
async def administrator(kubeconfig: Path) -> AsyncIterator[client.ApiClient]:
    configuration = client.Configuration()
    await config.load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
    async with client.ApiClient(configuration) as api:
        yield api


@pytest.fixture(scope="session")
async def definitions(administrator: client.ApiClient) -> list[Any]:
    """The definitions as the server has them, once it serves them."""
    api = client.ApiextensionsV1Api(administrator)
    for path in sorted(CRDS.iterdir()):
        body = yaml.safe_load(path.read_text())
        try:
            await api.create_custom_resource_definition(body)
        except ApiException as error:
            if error.status != 409:
                raise
            await api.patch_custom_resource_definition(
                body["metadata"]["name"], body, _content_type="application/merge-patch+json"
            )
    async with asyncio.timeout(ESTABLISHED_SECONDS):
        while True:
            listed = (await api.list_custom_resource_definition()).items
            ours = [item for item in listed if item.spec.group == "imagerift.dev"]
            if len(ours) == len(list(CRDS.iterdir())) and all(map(is_established, ours)):
                return ours


def is_established(definition: Any) -> bool:
    conditions = (definition.status and definition.status.conditions) or []
    return any(c.type == "Established" and c.status == "True" for c in conditions)


@pytest.fixture(scope="session")
async def namespace(administrator: client.ApiClient, definitions: list[Any]) -> AsyncIterator[str]:
    core = client.CoreV1Api(administrator)
    name = f"test-{secrets.token_hex(5)}"
    annotations = {"imagerift.dev/workspaces": "ws_a,ws_b"}
    await core.create_namespace({"metadata": {"name": name, "annotations": annotations}})
    yield name
    await core.delete_namespace(name)


@pytest.fixture
async def kube(kubeconfig: Path, namespace: str) -> AsyncIterator[Kube]:
    async with connect_kube(kubeconfig, namespace) as connected:
        yield connected
