"""Schemathesis against the running API on its own OpenAPI document, on plans with raised limits."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.conftest import kubeconfig
from tests.contract.kube.conftest import administrator, definitions, namespace
from tests.integration.api.harness import Api, plans_of_tests, settings_of

__all__ = ["administrator", "definitions", "kubeconfig", "namespace"]

# Cases of an operation and phase; a full run asks for more.
EXAMPLES = os.environ.get("IMAGERIFT_CONTRACT_EXAMPLES", "8")
SEED = "20261122"


@pytest.fixture
async def roomy(
    environment: dict[str, str], kubeconfig: Path, namespace: str, tmp_path: Path
) -> AsyncIterator[Api]:
    """A replica on a real cluster, with plans that nobody uses up."""
    plans = tmp_path / "plans.json"
    plans.write_text(json.dumps(plans_of_tests(unitsPerMonth=10_000_000)))
    variables = environment | {
        "KUBECONFIG": str(kubeconfig),
        "IMAGERIFT_NAMESPACE": namespace,
        "IMAGERIFT_PLANS_FILE": str(plans),
    }
    async with Api(settings_of(variables)) as replica:
        await replica.until_ready()
        yield replica


@pytest.mark.timeout(1800)
async def test_the_api_keeps_what_its_document_promises(roomy: Api, tmp_path: Path) -> None:
    tenant = await roomy.tenant()
    child = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        "--config-file",
        str(Path(__file__).parent / "schemathesis.toml"),
        "run",
        f"{roomy.base_url}/api/v1/openapi.json",
        "--header",
        f"Authorization: Bearer {tenant.token}",
        "--max-examples",
        EXAMPLES,
        "--seed",
        SEED,
        # Nobody ends the jobs of this test, so their events would never end either.
        "--exclude-operation-id",
        "jobEvents",
        "--continue-on-failure",
        "--no-color",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )

    output, _ = await child.communicate()

    print(output.decode())
    assert child.returncode == 0, output.decode()[-20_000:]
