"""Helm finds where the Kubernetes API is, and the policies name that and nothing else inside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from tests.charts import versions
from tests.charts.network import Place, pod, reaches
from tests.charts.rendering import MAIN, NAMESPACE, RELEASE, Manifest, find_helm
from tests.platform_under_test import PlatformUnderTest

SERVERS, PORT = ["192.0.2.1", "192.0.2.2"], 16443
# An address that nobody named, inside.
ELSEWHERE = Place(address="172.16.9.9")


@pytest.fixture
def server_version(platform: PlatformUnderTest) -> str:
    answer = json.loads(platform.run("kubectl", "version", "-o", "json").stdout)
    return str(answer["serverVersion"]["gitVersion"])


@pytest.fixture
def api_servers(platform: PlatformUnderTest, server_version: str) -> Iterator[None]:
    """The EndpointSlice that an API server writes about itself. The platform's own has none, since
    it listens on loopback, which may stand in no slice."""
    numbers = re.match(r"v1\.(\d+)", server_version)
    assert numbers is not None
    made = {
        "apiVersion": f"discovery.k8s.io/{'v1' if int(numbers[1]) >= 21 else 'v1beta1'}",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address]} for address in SERVERS],
        "ports": [{"name": "https", "port": PORT, "protocol": "TCP"}],
    }
    platform.run("kubectl", "create", "-f", "-", stdin=json.dumps(made))
    yield
    platform.run("kubectl", "-n", "default", "delete", "endpointslice", "kubernetes")


def rendered(platform: PlatformUnderTest, server_version: str, *more: str) -> list[Manifest]:
    """The policies of the chart as it is rendered with this cluster at hand."""
    done = platform.run(
        *(str(find_helm().program), "template", RELEASE, str(MAIN), "-n", NAMESPACE),
        *("--dry-run=server", *versions.compatibility(server_version)),
        *("--set", "global.imageRegistry=registry.example.com"),
        *("--set", "secrets.allowNewEachRender=true", *more),
    )
    objects = [body for body in yaml.safe_load_all(done.stdout) if body]
    return [body for body in objects if body["kind"] == "NetworkPolicy"]


def test_the_policies_name_its_servers_and_its_service(
    platform: PlatformUnderTest, server_version: str, api_servers: None
) -> None:
    found = rendered(
        *(platform, server_version),
        *("--set", "networkPolicies.kubernetesApiFromCluster=true"),
    )
    service = json.loads(
        platform.run("kubectl", "-n", "default", "get", "svc", "kubernetes", "-o", "json").stdout
    )
    for component in ("api", "operator"):
        for address in SERVERS:
            assert reaches(found, pod(component), Place(address=address), PORT), address
        for port in (443, 6443, PORT):
            assert not reaches(found, pod(component), ELSEWHERE, port), port
        own = Place(address=service["spec"]["clusterIP"])
        assert reaches(found, pod(component), own, service["spec"]["ports"][0]["port"])
    assert not reaches(found, pod("triton"), Place(address=SERVERS[0]), PORT)


def test_without_the_value_nothing_is_looked_up(
    platform: PlatformUnderTest, server_version: str, api_servers: None
) -> None:
    found = rendered(platform, server_version)
    assert SERVERS[0] not in json.dumps(found)
    assert reaches(found, pod("api"), ELSEWHERE, 6443)
    assert not reaches(found, pod("api"), ELSEWHERE, PORT)
