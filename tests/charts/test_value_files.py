"""Values of real clusters: each renders what it means, or is refused with its first line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imagerift_core.resources import TritonPoolSpec
from kubernetes_validate import validate

import tests.charts.cluster_meanings
import tests.charts.installation_meanings  # noqa: F401 - both register what their files mean
from tests.charts.meaning import MEANINGS
from tests.charts.rendering import (
    CUSTOM,
    FOREIGN,
    Helm,
    Manifest,
    Objects,
)

FOLDER = Path(__file__).with_name("values")
GOOD = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
REFUSED = {path.stem: path for path in sorted((FOLDER / "refused").glob("*.yaml"))}
CLUSTERS = [f"1.{minor}" for minor in range(29, 38)]


@pytest.fixture(scope="module")
def rendered(helm: Helm) -> dict[str, Objects]:
    return {name: helm.render(file=path) for name, path in GOOD.items()}


def test_every_file_has_a_sentence_and_a_meaning() -> None:
    assert set(MEANINGS) == set(GOOD)
    for path in [*GOOD.values(), *REFUSED.values()]:
        assert path.read_text().startswith("# "), path


@pytest.mark.parametrize("name", GOOD)
def test_a_file_renders_what_it_means(rendered: dict[str, Objects], name: str) -> None:
    MEANINGS[name](rendered[name])


@pytest.fixture(scope="module")
def standard(rendered: dict[str, Objects]) -> list[Manifest]:
    """Every different object of Kubernetes' own kinds that any file makes."""
    found = {
        json.dumps(body, sort_keys=True): body
        for objects in rendered.values()
        for body in objects.all
        if body["kind"] not in FOREIGN | CUSTOM | {"Secret"}
    }
    return list(found.values())


@pytest.mark.parametrize("version", CLUSTERS)
def test_every_current_kubernetes_takes_what_the_files_render(
    standard: list[Manifest], version: str, quick_schemas: None
) -> None:
    for body in standard:
        assert validate(body, version, strict=True) == version, body["metadata"]["name"]


@pytest.mark.parametrize("name", GOOD)
def test_a_file_names_each_variable_once_and_pools_that_the_operator_takes(
    rendered: dict[str, Objects], name: str
) -> None:
    for body in rendered[name].all:
        for entry in all_variables(body):
            names = [variable["name"] for variable in entry]
            assert len(names) == len(set(names)), body["metadata"]["name"]
        if body["kind"] == "TritonPool":
            TritonPoolSpec.model_validate(body["spec"])


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_refused_with_the_sentence_at_its_head(helm: Helm, name: str) -> None:
    path = REFUSED[name]
    sentence = path.read_text().partition("\n")[0].removeprefix("# ")
    done = helm.template(file=path, new_secrets="not-kept" not in name)
    assert done.returncode != 0
    assert sentence in done.stderr


@pytest.mark.parametrize("name", GOOD)
def test_two_renderings_without_a_cluster_are_the_same(helm: Helm, name: str) -> None:
    names = ("existingSecret", "existingBundledSecret", "existingModelSecret")
    kept = {name: f"kept-{number}" for number, name in enumerate(names)}
    one, two = (
        helm.template(file=GOOD[name], values={"secrets": kept}, new_secrets=False)
        for _ in range(2)
    )
    assert one.returncode == 0, one.stderr
    assert one.stdout == two.stdout
    assert "kind: Secret\n" not in one.stdout


def all_variables(node: Any) -> list[list[dict[str, Any]]]:
    """Every list of variables anywhere in a manifest."""
    if isinstance(node, list):
        return [found for part in node for found in all_variables(part)]
    if not isinstance(node, dict):
        return []
    own = [node["env"]] if isinstance(node.get("env"), list) else []
    return own + [found for part in node.values() for found in all_variables(part)]


def test_another_runner_starts_the_pods_that_read_its_name_anew(
    rendered: dict[str, Objects],
) -> None:
    digests = [
        {
            objects.pods[name]["metadata"]["annotations"]["imagerift.dev/config"]
            for name in ("imagerift-api", "imagerift-operator")
        }
        for objects in (rendered["job-pods-runner-1"], rendered["job-pods-runner-2"])
    ]
    assert [len(found) for found in digests] == [1, 1]
    assert digests[0] != digests[1]
