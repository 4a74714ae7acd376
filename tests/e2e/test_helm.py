"""Both charts on the live API server: install, upgrade, rollback, refusals, people's rights.

The platform has no node, so pods stay pending here; what is tested is what the server takes, and
what Helm reads back from it.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.charts import versions
from tests.charts.rendering import DEFINITIONS, EXAMPLES, MAIN, find_helm
from tests.platform_under_test import PlatformUnderTest

Helm = Callable[..., "CompletedProcess[str]"]


@pytest.fixture(scope="module")
def helm(platform: PlatformUnderTest) -> Helm:
    program = str(find_helm().program)

    def run(*arguments: str | Path, check: bool = True) -> CompletedProcess[str]:
        return platform.run(program, *map(str, arguments), check=check)

    return run


@pytest.fixture(scope="module")
def server_version(platform: PlatformUnderTest) -> str:
    answer = json.loads(platform.run("kubectl", "version", "-o", "json").stdout)
    return str(answer["serverVersion"]["gitVersion"])


@pytest.fixture(scope="module")
def is_old(server_version: str) -> bool:
    """Whether the server needs the charts' switch for old clusters."""
    return versions.is_old(server_version)


@pytest.fixture(scope="module")
def options(server_version: str) -> list[str]:
    # Old servers refuse to apply what has fields that they do not know.
    images = ("--set", "global.imageRegistry=registry.example.com")
    return [*versions.compatibility(server_version), "--server-side=false", *images]


@pytest.fixture(scope="module")
def definitions(platform: PlatformUnderTest, helm: Helm, options: list[str]) -> list[str]:
    """The release of the definitions, which takes over those that the platform made."""
    command = ["upgrade", "--install", "definitions", str(DEFINITIONS), "-n", "default"]
    helm(*command, "--take-ownership", *options)
    return [*command, *options]


@pytest.fixture(scope="module")
def namespace(platform: PlatformUnderTest) -> Iterator[str]:
    name = f"helm-{secrets.token_hex(4)}"
    platform.run("kubectl", "create", "namespace", name)
    yield name
    platform.run("kubectl", "delete", "namespace", name, "--wait=false")


def secret_data(platform: PlatformUnderTest, namespace: str) -> dict[str, str]:
    done = platform.run("kubectl", "-n", namespace, "get", "secrets", "-o", "json")
    return {
        f"{body['metadata']['name']}/{key}": value
        for body in json.loads(done.stdout)["items"]
        if body["metadata"]["name"] in {"imagerift-api", "imagerift-bundled"}
        for key, value in body["data"].items()
    }


def test_upgrade_and_rollback_keep_what_was_made_once(
    platform: PlatformUnderTest,
    helm: Helm,
    definitions: list[str],
    namespace: str,
    options: list[str],
) -> None:
    release = ["shard", str(MAIN), "-n", namespace, *options]
    values = ["-f", EXAMPLES["kubernetes-1.20"]]
    first = helm("install", *release, *values)
    assert f"kubectl -n {namespace} rollout status" in first.stdout
    assert "any address on the ports 443, 6443" in first.stdout
    assert "networkPolicies.kubernetesApiFromCluster=true" in first.stdout
    made = secret_data(platform, namespace)
    assert len(made["imagerift-api/key-pepper"]) == 88
    pools = platform.run("kubectl", "-n", namespace, "get", "tp", "-o", "name").stdout
    assert pools == "tritonpool.imagerift.dev/default\n"
    helm("upgrade", *release, *values, "--set", "api.logLevel=DEBUG", "--set", "pools.default=null")
    assert secret_data(platform, namespace) == made
    assert "tritonpool" not in platform.run("kubectl", "-n", namespace, "get", "tp").stdout
    helm("rollback", "shard", "1", "-n", namespace, "--server-side=false")
    assert secret_data(platform, namespace) == made
    assert platform.run("kubectl", "-n", namespace, "get", "tp", "-o", "name").stdout == pools
    again = platform.run(
        "kubectl", "-n", namespace, "get", "deploy", "imagerift-api", "-o", "yaml"
    ).stdout
    assert "DEBUG" not in again
    helm("uninstall", "shard", "-n", namespace)
    # Keys that were given out, and disks, outlive the release.
    assert secret_data(platform, namespace) == made


def test_an_upgrade_of_definitions_that_would_drop_stored_fields_is_refused(
    helm: Helm, definitions: list[str], tmp_path: Path
) -> None:
    helm(*definitions)
    chart = tmp_path / "imagerift-crds"
    shutil.copytree(DEFINITIONS, chart)
    file = chart / "files" / "imagerift.dev_generationjobs.yaml"
    text = file.read_text()
    poorer = re.sub(r"\n {14}prompt:\n(?: {16}.*\n)+", "\n", text)
    assert poorer != text
    file.write_text(poorer)
    command = [str(chart) if part == str(DEFINITIONS) else part for part in definitions]
    refused = helm(*command, check=False)
    assert refused.returncode != 0
    assert "would lose .spec.prompt" in refused.stderr


@pytest.mark.parametrize("role", ["viewer", "job-editor", "pool-admin"])
def test_people_see_and_change_what_their_role_is_for(
    platform: PlatformUnderTest, definitions: list[str], namespace: str, role: str
) -> None:
    platform.run(
        *["kubectl", "-n", namespace, "create", "rolebinding", role],
        *[f"--clusterrole=imagerift-{role}", f"--user={role}"],
    )

    def may(verb: str, what: str, where: str = namespace) -> bool:
        done = platform.run(
            *["kubectl", "-n", where, "auth", "can-i", verb, what, f"--as={role}"], check=False
        )
        return done.stdout.strip() == "yes"

    # Who keeps pools need not read prompts.
    assert may("list", "generationjobs.imagerift.dev") is (role != "pool-admin")
    assert may("watch", "tritonpools.imagerift.dev")
    for verb in ("create", "patch", "delete"):
        assert may(verb, "generationjobs.imagerift.dev") is (role == "job-editor")
        assert may(verb, "tritonpools.imagerift.dev") is (role == "pool-admin")
        assert may(verb, "modelweights.imagerift.dev") is (role == "pool-admin")
    for refused in ("secrets", "pods", "serviceaccounts"):
        assert not may("get", refused)
    assert not may("list", "generationjobs.imagerift.dev", "default")
