"""The rules of the definitions on the live API server: enforced from Kubernetes 1.25 on.

An older server (the platform builds 1.20 where no newer one can be had) keeps the rules aside and
takes any update; that, too, is checked, as the operator must not depend on them.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.platform_under_test import PlatformUnderTest
from tests.support.cel_cases import CASES, NEW_CASES, ONE_KIND, POOL_CASES

FIRST_WITH_RULES = (1, 25)
NAMES = {re.sub("[^a-z]+", "-", case.name.lower()): case for case in CASES}
NEW_NAMES = {case.name.replace(" ", "-"): case for case in NEW_CASES}
POOL_NAMES = {case.name.replace(" ", "-"): case for case in POOL_CASES}


@pytest.fixture
def namespace(platform: PlatformUnderTest) -> Iterator[str]:
    """A namespace that no operator looks at."""
    name = f"cel-rules-{secrets.token_hex(4)}"
    platform.run("kubectl", "create", "namespace", name)
    yield name
    platform.run("kubectl", "delete", "namespace", name, "--wait=false")


def manifests(namespace: str, specs: dict[str, dict[str, Any]], kind: str = "GenerationJob") -> str:
    items = [
        {
            "apiVersion": "imagerift.dev/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
        for name, spec in specs.items()
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def server_version(platform: PlatformUnderTest) -> tuple[int, int]:
    answer = json.loads(platform.run("kubectl", "version", "-o", "json").stdout)
    numbers = re.match(r"v(\d+)\.(\d+)", answer["serverVersion"]["gitVersion"])
    assert numbers is not None
    return int(numbers[1]), int(numbers[2])


def test_the_server_takes_and_refuses_updates_by_the_rules(
    platform: PlatformUnderTest, namespace: str
) -> None:
    assert len(NAMES) == len(CASES)
    old = manifests(namespace, {name: case.old for name, case in NAMES.items()})
    platform.run("kubectl", "create", "-f", "-", stdin=old)
    new = manifests(namespace, {name: case.new for name, case in NAMES.items()})
    updated = platform.run("kubectl", "replace", "-f", "-", stdin=new, check=False)
    knows_rules = server_version(platform) >= FIRST_WITH_RULES
    for name, case in NAMES.items():
        taken = f"generationjob.imagerift.dev/{name} replaced" in updated.stdout
        if case.refusal is None or not knows_rules:
            assert taken, (name, updated.stderr)
            continue
        said = [line for line in updated.stderr.splitlines() if f'"{name}" is invalid' in line]
        assert not taken and case.refusal in "".join(said), (name, said)


def test_the_server_takes_and_refuses_new_jobs_by_the_rules(
    platform: PlatformUnderTest, namespace: str
) -> None:
    body = manifests(namespace, {name: case.spec for name, case in NEW_NAMES.items()})
    created = platform.run("kubectl", "create", "-f", "-", stdin=body, check=False)
    knows_rules = server_version(platform) >= FIRST_WITH_RULES
    for name, case in NEW_NAMES.items():
        taken = f"generationjob.imagerift.dev/{name} created" in created.stdout
        assert taken is (case.refusal is None or not knows_rules), (name, created.stderr)
        if not taken:
            assert str(case.refusal) in created.stderr


def test_the_server_takes_and_refuses_pools_by_the_rules(
    platform: PlatformUnderTest, namespace: str
) -> None:
    body = manifests(namespace, {n: case.spec for n, case in POOL_NAMES.items()}, "TritonPool")
    created = platform.run("kubectl", "create", "-f", "-", stdin=body, check=False)
    knows_rules = server_version(platform) >= FIRST_WITH_RULES
    for name, case in POOL_NAMES.items():
        taken = f"tritonpool.imagerift.dev/{name} created" in created.stdout
        # That one is in the schema too, for old servers.
        refused = case.refusal is not None and (knows_rules or case.refusal == ONE_KIND)
        assert taken is not refused, (name, created.stderr)
        if refused and knows_rules:
            assert str(case.refusal) in created.stderr
