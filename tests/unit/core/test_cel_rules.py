"""The rules of the definitions, evaluated as an API server of 1.25 or later does on an update."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import celpy
import pytest
from imagerift_core import crds

from tests.cel_cases import CASES, CHANGES, SPEC, Case
from tests.unit.core.structural import nodes

DEFINITIONS = [crds.generation_job_definition(), crds.triton_pool_definition()]
ENVIRONMENT = celpy.Environment()


def rules() -> Iterator[tuple[str, dict[str, str]]]:
    """Every rule of every definition with the path of its schema."""
    for definition in DEFINITIONS:
        (version,) = definition["spec"]["versions"]
        for path, node in nodes(version["schema"]["openAPIV3Schema"]):
            for rule in node.get("x-kubernetes-validations", []):
                yield f"{definition['spec']['names']['kind']}{path}", rule


SPEC_RULES = [rule for path, rule in rules() if path == "GenerationJob.spec"]


def refusals(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    """The messages of the rules that refuse the update."""
    values = {"self": celpy.json_to_cel(new), "oldSelf": celpy.json_to_cel(old)}
    return {
        rule["message"]
        for rule in SPEC_RULES
        if not ENVIRONMENT.program(ENVIRONMENT.compile(rule["rule"])).evaluate(values)
    }


def stored(spec: dict[str, Any]) -> dict[str, Any]:
    """What an API server stores of a spec: with its defaults."""
    (version,) = DEFINITIONS[0]["spec"]["versions"]
    fields = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return {name: f["default"] for name, f in fields.items() if "default" in f} | spec


def test_the_cases_are_of_every_rule_and_every_field() -> None:
    assert {path for path, _ in rules()} == {"GenerationJob.spec"}
    assert {rule["message"] for rule in SPEC_RULES} == {case.refusal for case in CASES} - {None}
    (version,) = DEFINITIONS[0]["spec"]["versions"]
    fields = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert set(fields) == set(SPEC) | {"cancel"} == set(CHANGES) | {"cancel"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_update_is_taken_or_refused(case: Case) -> None:
    wanted = set() if case.refusal is None else {case.refusal}
    assert refusals(stored(case.old), stored(case.new)) == wanted
