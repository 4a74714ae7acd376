"""The Dockerfile makes what the charts' pods ask of an image, of locks alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from imagerift_local.settings import CHECKOUT
from imagerift_node.images.build import images_for_a_node, read_stages
from imagerift_node.images.dockerfile import Instruction, parse

from charts.schema.values import Values
from tests.support.parts import parts_with

STAGES = parse((CHECKOUT / "images" / "Dockerfile").read_text())
IMAGES = images_for_a_node(STAGES)
# On NVIDIA's base; pools and job pods name it themselves.
GPU = "triton-gpu"
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
    assert {name for name, stage in STAGES.items() if stage.is_image} == {*IMAGES, GPU}
    for name in IMAGES:
        assert getattr(SHIPPED, name).repository == f"imagerift/{name}"


def test_the_tests_add_their_servers_and_change_no_stage() -> None:
    assert STAGES.items() <= read_stages().items()


@pytest.mark.parametrize("name", [*IMAGES, GPU])
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


def test_the_image_with_gpus_holds_what_the_pools_image_holds() -> None:
    """All but what runs the Triton that the base has itself, and one command starts both."""
    wrapper = "images/tritonserver.sh"
    assert copied(GPU) == copied("triton") - {wrapper}
    assert wrapper in copied("triton")
    assert STAGES[GPU].base == STAGES["gpu-installed"].base
    assert "/nvidia/tritonserver:" in STAGES[GPU].base
    (start,) = {instructions(name, "ENTRYPOINT")[-1].text for name in (GPU, "triton")}
    assert start == '["imagerift-triton"]'
    # Where a pod is given no GPU, the image shows it none: its base would show all.
    settings = " ".join(each.text for each in instructions(GPU, "ENV"))
    assert "NVIDIA_VISIBLE_DEVICES=void" in settings
    assert "IMAGERIFT_POOL=gpu" in settings


def pinned(name: str) -> dict[str, str]:
    lock = (CHECKOUT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE))


def test_the_image_with_gpus_has_the_versions_that_are_tested_without_any() -> None:
    whole = pinned("models-gpu")
    for name in ("models", "models-diffusion", "models-torch"):
        for package, version in pinned(name).items():
            # What stands in for later Pythons' own modules is not wanted there.
            assert whole.get(package, version) == version, package
    wanted = {"torch", "diffusers", "transformers", "onnxruntime", "aiohttp"}
    assert wanted <= whole.keys()
    assert any(package.startswith("nvidia-c") for package in whole), "no CUDA"


def test_each_wheel_of_the_image_with_gpus_is_pinned_by_hash() -> None:
    lock = (CHECKOUT / "requirements" / "models-gpu.txt").read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", re.sub(r"^#.*\n", "", lock, flags=re.MULTILINE))
    assert all("--hash=sha256:" in block for block in blocks if "==" in block)
