"""The Dockerfile makes what the charts' pods ask of an image, of locks alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from imagerift_local.settings import CHECKOUT
from imagerift_node.images.build import read_stages
from imagerift_node.images.dockerfile import Instruction, parse

from charts.schema.values import Values
from tests.support.parts import parts_with

STAGES = parse((CHECKOUT / "images" / "Dockerfile").read_text())
IMAGES = [name for name, stage in STAGES.items() if stage.is_image]
SHIPPED = Values().images


def instructions(stage: str, word: str) -> list[Instruction]:
    """Those of a stage and of all that it is made from."""
    found = [each for each in STAGES[stage].instructions if each.word == word]
    return [
        *(instructions(STAGES[stage].base, word) if STAGES[stage].base in STAGES else ()),
        *found,
    ]


def copied(stage: str) -> set[str]:
    return {
        path
        for each in instructions(stage, "COPY")
        if "from" not in each.options
        for path in each.text.split()[:-1]
    }


def test_each_image_that_the_chart_runs_is_in_the_dockerfile() -> None:
    assert set(IMAGES) == {"api", "operator", "weights", "triton", "runner"}
    for name in IMAGES:
        assert getattr(SHIPPED, name).repository == f"imagerift/{name}"


def test_the_tests_add_their_servers_and_change_no_stage() -> None:
    assert STAGES.items() <= read_stages().items()


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_has_no_installer_and_runs_as_nobody(name: str) -> None:
    commands = " ".join(each.text for each in instructions(name, "RUN"))
    assert "pip" not in commands and "venv" not in commands
    assert instructions(name, "USER")[-1].text == "65532:65532"
    (installed,) = (each for each in instructions(name, "COPY") if "from" in each.options)
    folder, target = installed.text.split()
    assert folder == target
    assert f"venv --without-pip {folder}" in " ".join(
        each.text for each in instructions(installed.options["from"], "RUN")
    )


def test_packages_are_of_locks_alone() -> None:
    commands = [each.text for stage in STAGES for each in instructions(stage, "RUN")]
    installs = [found for text in commands for found in re.findall(r"pip install [^&]*", text)]
    assert len(installs) >= 5
    for install in installs:
        assert "--require-hashes" in install or "/wheels/*.whl" in install


@pytest.mark.parametrize(
    ("name", "part", "anothers"),
    [
        ("api", "api", {"kopf"}),
        ("operator", "operator", {"argon2-cffi", "typer"}),
        ("weights", "core", {"argon2-cffi", "kopf", "typer"}),
    ],
)
def test_an_image_holds_one_part_and_what_that_needs(
    name: str, part: str, anothers: set[str]
) -> None:
    stage = f"{name}-installed"
    folders = {path for path in copied(stage) if (CHECKOUT / path).is_dir()}
    assert folders == parts_with(part)
    build = instructions(stage, "RUN")[-1].text
    assert set(re.findall(r"\./([a-z]+)", build)) == parts_with(part)
    lock = (CHECKOUT / "requirements" / f"{part}.txt").read_text()
    assert f"-r requirements/{part}.txt" in instructions(stage, "RUN")[-2].text
    assert not anothers & set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))


def test_what_is_copied_is_there_and_not_ignored() -> None:
    lines = (CHECKOUT / ".dockerignore").read_text().splitlines()
    patterns = [line[1:] for line in lines if line[0] == "!"]
    for source in set().union(*map(copied, STAGES)):
        path = Path(source)
        assert (CHECKOUT / path).exists(), source
        kept = [way for way in (path, *path.parents) if any(way.match(p) for p in patterns)]
        assert kept, source
