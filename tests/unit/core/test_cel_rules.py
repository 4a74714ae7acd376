"""The rules of the definitions, evaluated as an API server of 1.25 or later does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import celpy
import pytest
from celpy.adapter import json_to_cel
from imagerift_core import crds
from imagerift_core.tenant_definitions import (
    api_key_definition,
    mode_definition,
    plan_definition,
    webhook_endpoint_definition,
    workspace_definition,
)

from tests.support.cel_cases import (
    CASES,
    CHANGES,
    NEW_CASES,
    POOL_CASES,
    SPEC,
    TENANT_CASES,
    WEIGHTS_CASES,
    Case,
    NewCase,
    PoolCase,
    TenantCase,
    WeightsCase,
)
from tests.unit.core.structural import nodes

JOB, POOL = crds.generation_job_definition(), crds.triton_pool_definition()
WEIGHTS = crds.model_weights_definition()
TENANTS = {
    "Workspace": workspace_definition(),
    "ApiKey": api_key_definition(),
    "WebhookEndpoint": webhook_endpoint_definition(),
    "Plan": plan_definition(),
    "Mode": mode_definition(),
}
ENVIRONMENT = celpy.Environment()


def schema_of(definition: dict[str, Any]) -> dict[str, Any]:
    (version,) = definition["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def rules(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Every rule of the definition with the path of its schema."""
    for path, node in nodes(schema_of(definition)):
        for rule in node.get("x-kubernetes-validations", []):
            yield path, rule


def refusals(
    definition: dict[str, Any],
    new: dict[str, Any],
    old: dict[str, Any] | None = None,
    object_name: str = "one",
) -> set[str]:
    """The messages of the rules that refuse the spec, or its update."""
    found = set()
    for path, rule in rules(definition):
        value: Any = {"metadata": {"name": object_name}, "spec": new}
        for name in filter(None, path.split(".")):
            value = value.get(name) if value is not None else None
        if value is None:
            continue
        values = {"self": json_to_cel(value)}
        if old is not None and path:
            assert path == ".spec"
            values["oldSelf"] = json_to_cel(old)
        if not ENVIRONMENT.program(ENVIRONMENT.compile(rule["rule"])).evaluate(values):
            found.add(rule["message"])
    return found


def stored(spec: dict[str, Any]) -> dict[str, Any]:
    """What an API server stores of a job's spec: with its defaults."""
    fields = schema_of(JOB)["properties"]["spec"]["properties"]
    return {name: f["default"] for name, f in fields.items() if "default" in f} | spec


def messages(definition: dict[str, Any]) -> set[str | None]:
    return {rule["message"] for _, rule in rules(definition)}


def test_the_cases_are_of_every_rule_and_every_field() -> None:
    wanted = {case.refusal for case in CASES} | {case.refusal for case in NEW_CASES}
    assert messages(JOB) == wanted - {None}
    for kind, made in TENANTS.items():
        cases = {case.refusal for case in TENANT_CASES if case.kind == kind}
        assert messages(made) == cases - {None}
    assert messages(POOL) == {case.refusal for case in POOL_CASES} - {None}
    assert messages(WEIGHTS) == {case.refusal for case in WEIGHTS_CASES} - {None}
    fields = schema_of(JOB)["properties"]["spec"]["properties"]
    assert set(fields) == set(SPEC) | {"cancel"} == set(CHANGES) | {"cancel"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_update_is_taken_or_refused(case: Case) -> None:
    wanted = set() if case.refusal is None else {case.refusal}
    assert refusals(JOB, stored(case.new), stored(case.old)) == wanted


@pytest.mark.parametrize("case", NEW_CASES, ids=lambda case: case.name)
def test_a_new_job_is_taken_or_refused(case: NewCase) -> None:
    wanted = set() if case.refusal is None else {case.refusal}
    # Until it changes, a spec is its own old one.
    assert refusals(JOB, stored(case.spec), stored(case.spec)) == wanted


@pytest.mark.parametrize("case", POOL_CASES, ids=lambda case: case.name)
def test_a_pool_is_taken_or_refused(case: PoolCase) -> None:
    assert refusals(POOL, case.spec) == (set() if case.refusal is None else {case.refusal})


@pytest.mark.parametrize("case", WEIGHTS_CASES, ids=lambda case: case.name)
def test_weights_are_taken_or_refused(case: WeightsCase) -> None:
    assert refusals(WEIGHTS, case.new, case.old) == (
        set() if case.refusal is None else {case.refusal}
    )


@pytest.mark.parametrize("case", TENANT_CASES, ids=lambda case: f"{case.kind} {case.name}")
def test_an_update_of_a_tenant_is_taken_or_refused(case: TenantCase) -> None:
    wanted = set() if case.refusal is None else {case.refusal}
    assert refusals(TENANTS[case.kind], case.new, case.old, case.object_name) == wanted
