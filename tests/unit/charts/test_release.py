"""What a tag releases: every image for its architectures, signed; and what the workflows run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from imagerift_local.settings import CHECKOUT

from tests.node.kind_node import IMAGES as KIND_IMAGES
from tests.unit.charts.test_images import IMAGES

VERSION = (CHECKOUT / "VERSION").read_text().strip()
SCRIPT = CHECKOUT / "scripts" / "release.sh"
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((CHECKOUT / ".github" / "workflows").glob("*.yaml"))
}
DIGEST = "sha256:" + "5" * 64


def release(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which `docker` and `cosign` note how they were called."""
    notes = tmp_path / "called"
    for name in ("docker", "cosign"):
        program = tmp_path / name
        text = f'echo "{name} $*" >> {notes}\ncase "$*" in *inspect*Digest*) echo {DIGEST};; esac\n'
        program.write_text(f"#!/bin/sh\n{text}")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return notes


def test_a_tag_that_is_not_the_version_is_no_release() -> None:
    done = release("check", "v9.9.9")
    assert done.returncode == 1 and f"is not v{VERSION}" in done.stderr


def test_a_release_needs_its_section_of_the_changelog() -> None:
    done = release("check", f"v{VERSION}")
    told = re.search(rf"^## {re.escape(VERSION)}\b", (CHECKOUT / "CHANGELOG.md").read_text(), re.M)
    assert (done.returncode == 0) is bool(told), done.stderr
    assert told or "CHANGELOG.md has no section" in done.stderr


def test_an_image_is_built_with_what_says_of_what_it_is_made(called: Path) -> None:
    done = release("image", "api", "arm64", REGISTRY="ghcr.io/Owner", REVISION="abc")
    assert done.returncode == 0, done.stderr
    (build,) = [line for line in called.read_text().splitlines() if "buildx build" in line]
    for option in (
        "--target api",
        "--platform linux/arm64",
        "--provenance mode=max",
        "--sbom true",
        "image.revision=abc",
        "image.licenses=Apache-2.0",
        f"--tag ghcr.io/owner/imagerift/api:{VERSION}-arm64 --push",
    ):
        assert option in build, option


def test_an_image_is_signed_by_its_digest(called: Path) -> None:
    done = release("publish", "api", "amd64", "arm64", REGISTRY="ghcr.io/owner")
    assert done.returncode == 0, done.stderr
    name = f"ghcr.io/owner/imagerift/api:{VERSION}"
    made, _, signed = called.read_text().splitlines()
    assert made.endswith(f"create --tag {name} {name}-amd64 {name}-arm64")
    assert signed == f"cosign sign --yes ghcr.io/owner/imagerift/api@{DIGEST}"


def test_nothing_is_pushed_without_the_name_of_a_registry(called: Path) -> None:
    done = release("image", "api", "amd64", REGISTRY="")
    assert done.returncode == 1 and "REGISTRY is not set" in done.stderr
    assert not called.exists()


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_every_image_is_released_for_the_architectures_it_is_built_for() -> None:
    jobs = WORKFLOWS["release"]["jobs"]
    matrix = jobs["images"]["strategy"]["matrix"]
    excluded = {(each["image"], each["arch"]) for each in matrix["exclude"]}
    pairs = {(image, arch) for image in matrix["image"] for arch in matrix["arch"]}
    built = pairs - excluded
    published = {
        (name, arch)
        for step in jobs["publish"]["steps"]
        if "release.sh publish" in step.get("run", "")
        for name, *archs in [step["run"].split()[3:]]
        for arch in archs
    }
    assert published == built
    assert {image for image, arch in built if arch == "amd64"} == set(IMAGES)
    assert {image for image, arch in built if arch == "arm64"} == {"api", "operator", "weights"}


def test_every_shell_step_is_a_target_or_a_script_and_every_action_is_a_commit() -> None:
    for name, workflow in WORKFLOWS.items():
        for step in steps(workflow):
            if name == "images" and "docker build" in step.get("run", ""):
                continue
            assert re.match(r"make [a-z-]+$|bash scripts/\w+\.sh\b", step.get("run", "make x")), (
                step
            )
            assert re.search(r"@[0-9a-f]{40}$", step.get("uses", "@" + "0" * 40)), step


def test_only_who_signs_may_ask_for_an_identity() -> None:
    for name, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {"contents": "read"}, name
        for job_name, job in workflow["jobs"].items():
            asked = job.get("permissions", {}).get("id-token")
            assert (asked == "write") is ((name, job_name) == ("release", "publish"))


def test_kind_runs_each_version_that_it_has_a_node_for() -> None:
    matrix = WORKFLOWS["kind"]["jobs"]["node"]["strategy"]["matrix"]
    assert matrix["kubernetes"] == list(KIND_IMAGES)
    assert list(KIND_IMAGES) == [f"1.{minor}" for minor in range(31, 37)]
    for version, image in KIND_IMAGES.items():
        assert re.fullmatch(rf"v{version}\.\d+@sha256:[0-9a-f]{{64}}", image)
