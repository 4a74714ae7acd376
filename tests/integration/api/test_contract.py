"""Schemathesis against the running API on its own OpenAPI document, by both credentials."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from imagerift_core.plans import load_plans

from tests.contract.conftest import kubeconfig
from tests.contract.kube.conftest import administrator, definitions, namespace
from tests.integration.api.browsers import signed_in
from tests.integration.api.fuzz.callers import FuzzCaller, by_key, by_session
from tests.integration.api.fuzz.run import Outcome, operations_of, run_schemathesis
from tests.integration.api.fuzz.supplier import Supplier
from tests.integration.api.harness import Api, plans_of_tests, settings_of
from tests.integration.api.receiver import Receiver

__all__ = ["administrator", "definitions", "kubeconfig", "namespace"]

# `make fuzz` asks for the full size.
FULL = os.environ.get("IMAGERIFT_FUZZ") == "full"
GOOD_ANSWERS = 20 if FULL else 1
MAX_EXAMPLES = 60 if FULL else 3
LEAST_CASES = 5000 if FULL else 500
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
async def roomy(
    environment: dict[str, str],
    kubeconfig: Path,
    namespace: str,
    receiver: Receiver,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Api]:
    """A replica on a real cluster, with limits that nobody reaches."""
    folder = tmp_path_factory.mktemp("roomy")
    plans = plans_of_tests(unitsPerMonth=10_000_000, requestsPerMinute=1_000_000, queueUnits=None)
    (folder / "plans.json").write_text(json.dumps(plans))
    hasher = PasswordHasher(time_cost=1, memory_cost=1024)
    (folder / "users.json").write_text(json.dumps({"demo": hasher.hash(PASSWORD)}))
    name = f"{environment['IMAGERIFT_MONGO_DATABASE']}_fuzz"
    variables = environment | {
        "KUBECONFIG": str(kubeconfig),
        "IMAGERIFT_NAMESPACE": namespace,
        "IMAGERIFT_PLANS_FILE": str(folder / "plans.json"),
        # The workers of other replicas may not reach the receiver.
        "IMAGERIFT_MONGO_DATABASE": name,
        "IMAGERIFT_WEBHOOK_ALLOWED_HOSTS": receiver.host,
        "IMAGERIFT_SIGN_IN_USERS_FILE": str(folder / "users.json"),
        "IMAGERIFT_SIGN_IN_TRIES_PER_MINUTE": "1000000",
        "IMAGERIFT_ACCOUNT_REQUESTS_PER_MINUTE": "1000000",
    }
    async with Api(settings_of(variables)) as replica:
        await replica.until_ready()
        yield replica
        await replica.database.jobs.database.client.drop_database(name)


async def outcome_of(
    api: Api, caller: FuzzCaller, operations: list[str], receiver: Receiver, folder: Path
) -> Outcome:
    async with AsyncExitStack() as stack:
        supplier = await stack.enter_async_context(
            Supplier(api, caller, hook_url=receiver.url(), password=PASSWORD)
        )
        outcome = await run_schemathesis(
            api,
            caller,
            operations,
            folder,
            supplier_url=supplier.url,
            examples=GOOD_ANSWERS + 1,
            max_examples=MAX_EXAMPLES,
        )
    for name in operations:
        print(f"{name}: {dict(sorted(outcome.answers.get(name, {}).items()))}")
    print(f"{outcome.cases} cases, {outcome.limited:.2%} limited")
    assert outcome.code == 0, outcome.output[-20_000:]
    assert outcome.limited < 0.01
    return outcome


@pytest.mark.timeout(3000)
async def test_the_api_keeps_what_its_document_promises(
    roomy: Api, receiver: Receiver, tmp_path: Path
) -> None:
    by = [by_key(await roomy.tenant()), by_session(await signed_in(roomy))]

    asked = [await operations_of(roomy, caller) for caller in by]
    if not FULL:
        # What a key opens is asked by a key; a session has the rest.
        asked[1] = [name for name in asked[1] if name not in asked[0]]
    outcomes = [
        await outcome_of(roomy, caller, operations, receiver, tmp_path)
        for caller, operations in zip(by, asked, strict=True)
    ]

    assert sum(outcome.cases for outcome in outcomes) >= LEAST_CASES
    few = {
        (caller.credential, name): outcome.good(name)
        for caller, operations, outcome in zip(by, asked, outcomes, strict=True)
        for name in operations
        if outcome.good(name) < GOOD_ANSWERS
    }
    assert not few, "too few answers of 2xx"


@pytest.mark.timeout(600)
async def test_it_does_so_at_the_real_limits_too(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """The shipped plans: most of a crowd of requests is told to come back later."""
    plans = tmp_path / "plans.json"
    shipped = {name: plan.model_dump(by_alias=True) for name, plan in load_plans().items()}
    plans.write_text(json.dumps(shipped))
    async with Api(settings_of(environment, plans_file=plans)) as api:
        await api.until_ready()
        outcome = await run_schemathesis(
            api,
            by_key(await api.tenant("pro")),
            ["listJobs"],
            tmp_path,
            supplier_url="",
            examples=0,
            max_examples=MAX_EXAMPLES,
            phases="coverage",
        )
    assert outcome.code == 0, outcome.output[-20_000:]
    assert 0.1 < outcome.limited < 1
