"""The Dockerfiles are those of the lists, and keep to what the charts' pods ask of an image."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from imagerift_node.images.dockerfiles import dockerfiles
from imagerift_node.images.lists import FOLDER, EnvironmentLayer, read_lists

from charts.schema.values import Values
from tests.support.parts import parts_with

ROOT = FOLDER.parent
SHIPPED = Values().images


@pytest.mark.parametrize("name", sorted(dockerfiles()))
def test_a_dockerfile_is_current(name: str) -> None:
    """Red: run `make images`."""
    assert (FOLDER / name / "Dockerfile").read_text() == dockerfiles()[name]


def test_each_image_that_the_chart_runs_has_a_dockerfile() -> None:
    for name in ("api", "operator", "triton", "runner"):
        assert name in dockerfiles()
        assert getattr(SHIPPED, name).repository == f"imagerift/{name}"


@pytest.mark.parametrize("name", sorted(dockerfiles()))
def test_an_image_is_of_locks_alone_and_runs_as_nobody(name: str) -> None:
    text = dockerfiles()[name].replace("\\\n", " ")
    installs = re.findall(r"pip install [^&\n]*", text)
    assert len(installs) >= 3
    for install in installs:
        assert "--require-hashes" in install or "/wheels/*.whl" in install
    _, build, final = text.split("\nFROM ")
    assert build.startswith("${BASE} AS build\n")
    assert "\nUSER 65532:65532\n" in final
    assert "pip" not in final and "venv" not in final


@pytest.mark.parametrize(
    ("name", "anothers"), [("api", {"kopf"}), ("operator", {"argon2-cffi", "typer"})]
)
def test_an_image_holds_one_part_and_what_that_needs(name: str, anothers: set[str]) -> None:
    layer = read_lists().layers[name]
    assert isinstance(layer, EnvironmentLayer)
    assert set(layer.parts) == parts_with(name)
    assert layer.lock == f"{name}.txt"
    pins = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / layer.lock).read_text(), re.M)
    assert not anothers & set(pins)


def test_what_is_copied_is_there_and_not_ignored() -> None:
    patterns = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    ]
    text = "\n".join(dockerfiles().values())
    copied = re.findall(r"^COPY (?!--from)(?:--chmod=\S+ )?(.+) \S+$", text, re.MULTILINE)
    for source in {path for line in copied for path in line.split()}:
        path = Path(source)
        assert (ROOT / path).exists(), source
        kept = [way for way in (path, *path.parents) if any(way.match(p) for p in patterns)]
        assert kept, source
