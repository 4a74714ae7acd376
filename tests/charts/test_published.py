"""The charts in a registry: pushed by the release's own script, rendered from there."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from imagerift_local.provision.programs import DebianPackage, Program, provision

from tests.charts.rendering import CHARTS, MAIN, Helm, Objects, containers, workshop
from tests.support.server_processes import free_port, wait_until

REGISTRY = Program(
    part="docker-registry",
    names=("docker-registry",),
    asks=("--version",),
    prints=r"(\d+\.\d+\.\d+)",
    registry=DebianPackage("docker-registry", "2.8.1"),
)
VERSION = (CHARTS.parent / "VERSION").read_text().strip()


@dataclass(frozen=True)
class Published:
    """The registry with both charts, and how `cosign` was called."""

    address: str
    signed: list[str]


@pytest.fixture(scope="module")
def published(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("registry")
    port = free_port()
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (folder / "registry.yaml").write_text(yaml.safe_dump(settings))
    program = provision(REGISTRY, workshop()).files["docker-registry"]
    # Signing asks the world for an identity: only what it would sign is looked at here.
    cosign = folder / "cosign"
    cosign.write_text(f'#!/bin/sh\necho "$*" >> {folder}/signed\n')
    cosign.chmod(0o755)
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([program, "serve", folder / "registry.yaml"], stderr=log)
    try:
        wait_until(lambda: answers(port), seconds=30, what="the registry answers")
        done = subprocess.run(
            ["bash", str(CHARTS.parent / "scripts" / "release.sh"), "charts"],
            env=os.environ
            | {
                "PATH": f"{folder}:{helm.program.parent}:{os.environ['PATH']}",
                "REGISTRY": f"127.0.0.1:{port}/Owner",
                "PUSH_OPTIONS": "--plain-http",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield Published(f"127.0.0.1:{port}/owner", (folder / "signed").read_text().splitlines())
    finally:
        server.terminate()
        server.wait(30)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_the_released_chart_names_the_released_images(
    helm: Helm, published: Published, tmp_path: Path
) -> None:
    chart = f"oci://{published.address}/charts/imagerift"
    done = helm.run("pull", chart, "--version", VERSION, "--plain-http", "-d", tmp_path)
    assert done.returncode == 0, done.stderr
    values = {"secrets": {"allowNewEachRender": True}}
    objects: Objects = helm.render(tmp_path / f"imagerift-{VERSION}.tgz", values=values)
    named = {
        container["image"]
        for name, pod in objects.pods.items()
        if name in {"imagerift-api", "imagerift-operator"}
        for container in containers(pod)
    }
    assert named == {
        f"{published.address}/imagerift/{image}:{VERSION}" for image in ("api", "operator")
    }
    (pool,) = objects.of("TritonPool")
    assert pool["spec"]["template"]["image"] == f"{published.address}/imagerift/triton:{VERSION}"


def test_the_released_charts_notes_say_where_later_releases_come_from(
    helm: Helm, published: Published, tmp_path: Path
) -> None:
    charts = f"oci://{published.address}/charts"
    pull = ("pull", f"{charts}/imagerift", "--version", VERSION, "--plain-http", "-d", tmp_path)
    assert helm.run(*pull).returncode == 0
    upgrade = f"helm upgrade mine {charts}/imagerift --version X.Y.Z -n here"
    for chart, named in ((tmp_path / f"imagerift-{VERSION}.tgz", True), (MAIN, False)):
        shown = helm.run(
            "install", "mine", chart, "-n", "here", "--dry-run=client",
            "--set", "secrets.allowNewEachRender=true,global.imageRegistry=r.example",
        )  # fmt: skip
        assert shown.returncode == 0, shown.stderr
        assert "NOTES:" in shown.stdout
        assert (upgrade in shown.stdout) == named


def test_both_charts_are_there_and_what_is_signed_is_what_was_pushed(
    helm: Helm, published: Published
) -> None:
    assert len(published.signed) == 2
    for chart, signed in zip(("imagerift-crds", "imagerift"), published.signed, strict=True):
        name, _, digest = signed.removeprefix("sign --yes ").partition("@")
        assert name == f"{published.address}/charts/{chart}"
        shown = helm.run("show", "chart", f"oci://{name}", "--version", VERSION, "--plain-http")
        assert f"version: {VERSION}" in shown.stdout
        assert digest in shown.stderr + shown.stdout
