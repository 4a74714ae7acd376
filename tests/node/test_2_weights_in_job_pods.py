"""Job pods that draw with weights that were downloaded, behind a safety gate and without a GPU."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.node.kind_node import KindNode
from tests.node.release import NAMESPACE, RUNNERS, Release, picture
from tests.node.test_2_job_pods import running_pod
from tests.node.weights import from_store, put_into_store, store_account, wait_ready
from tests.platform_under_test import CHECKOUT, wait_until

FOLDER = "weights/tiny/"
# Where the pods find PyTorch for this machine's processor, the gate, and their pool's file.
MOUNT = "/opt/own"
POOL: dict[str, Any] = {
    "kind": "KIND_CPU",
    "threads": 1,
    "instances": {"control": 1, "diffusion": 1, "generate": 1},
    "modes": {"style": "diffusion"},
    "moderation": "gate",
    "diffusion": {
        "weights": "/weights/tiny",
        "edge": 128,
        "batch": 2,
        "steps": 4,
        "strength": 0.5,
    },
}
# Each job of the mode is a pod of its own; `gpus: 0` of the release's values stays.
JOB_PODS = {
    "weights": ["tiny"],
    "modelVolume": {"claimName": "own", "mountPath": MOUNT},
    "rules": [{"modes": ["style"]}],
    "env": [
        {"name": "IMAGERIFT_POOL", "value": f"{MOUNT}/pool.json"},
        {"name": "IMAGERIFT_DIFFUSION_SITE", "value": f"{MOUNT}/site"},
        {"name": "IMAGERIFT_EXTRA_MODELS", "value": f"{MOUNT}/models"},
        {"name": "HOME", "value": "/tmp"},  # noqa: S108 - inside the container
        {"name": "USER", "value": "imagerift"},
    ],
}


@pytest.fixture(scope="module")
def tiny(release: Release, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a family's true classes, with random weights."""
    folder = tmp_path_factory.mktemp("tiny")
    tool = CHECKOUT / "triton_models/tools/tiny_diffusion.py"
    python = release.node.quietly("imagerift-platform", "models-python", "--diffusion").stdout
    release.node.quietly(python.strip(), str(tool), str(folder))
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module", autouse=True)
def configured(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Job pods that draw, for these tests alone."""
    node = release.node
    if isinstance(node, KindNode):
        pytest.skip("a node of Docker's does not see this machine's files")
    node.transcript.chapter("Job pods that draw with weights of their own")
    python = node.quietly("imagerift-platform", "models-python", "--diffusion").stdout
    _give(release, Path(python.strip()).parent / "site", node.data.root / "own")
    values = tmp_path_factory.mktemp("values") / "values.yaml"
    values.write_text(yaml.safe_dump({"jobPods": JOB_PODS}))
    release.chart("upgrade", "-f", str(values))
    release.wait_up()
    yield
    release.chart("upgrade")
    release.wait_up()
    # Job pods have named them until now.
    node.kubectl("-n", NAMESPACE, "delete", "mw", "tiny", "--ignore-not-found")
    node.kubectl("-n", RUNNERS, "delete", "pvc", "own")
    node.kubectl("delete", "pv", "own")
    shutil.rmtree(node.data.root / "own")


@pytest.mark.usefixtures("authority")
def test_a_job_waits_for_its_weights_and_is_drawn_with_them(
    release: Release, encoded: str, tiny: dict[str, bytes]
) -> None:
    node, remaining = release.node, release.remaining()
    job_id = release.submit(encoded, "on a quay", variations=2)

    def waits() -> bool:
        told = node.get("-n", NAMESPACE, "gj", job_id).get("status", {}).get("conditions", [])
        return bool([one for one in told if one["type"] == "PodsReady"])

    wait_until(waits, seconds=60, what="the job says that it waits for weights")
    node.kubectl("-n", NAMESPACE, "get", "gj", job_id, "-o", "wide")
    node.kubectl("-n", NAMESPACE, "describe", "gj", job_id)
    put_into_store(release, FOLDER, tiny)
    store_account(release, RUNNERS)
    node.apply(from_store("tiny", FOLDER, tiny, execution="Pod"))
    assert wait_ready(release, "tiny")["files"] == len(tiny)
    [container] = running_pod(release, job_id)["spec"]["containers"]
    assert "/weights/tiny" in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert "nvidia.com/gpu" not in json.dumps(container["resources"])
    [job] = release.ended([job_id])
    assert job["status"] == "succeeded", job
    names = {model["name"] for model in job["models"]}
    assert {"gate", "diffusers StableDiffusionImg2ImgPipeline"} <= names
    node.kubectl("-n", NAMESPACE, "get", "gj", job_id, "-o", "wide")
    assert node.get("-n", NAMESPACE, "gj", job_id)["status"]["pool"] == "job-pods"
    first, second = (picture(output["downloadUrl"]) for output in job["outputs"])
    assert first.tobytes() != second.tobytes()
    assert release.remaining() == remaining - 2


def test_a_job_that_the_gate_refuses_costs_nothing(release: Release, encoded: str) -> None:
    remaining = release.remaining()
    [job] = release.ended([release.submit(encoded, "a weapon on a quay")])
    assert (job["status"], job["error"]["code"]) == ("failed", "content_filtered")
    assert release.remaining() == remaining


def _give(release: Release, site: Path, folder: Path) -> None:
    """The folder as a volume of job pods: packages, the gate of the examples, and the pool."""
    shutil.copytree(site, folder / "site", symlinks=True)
    shutil.copytree(CHECKOUT / "docs/examples/gate", folder / "models/gate")
    (folder / "pool.json").write_text(json.dumps(POOL))
    made = {"storageClassName": "", "accessModes": ["ReadWriteOnce"]}
    node_name = release.node.get("nodes")["items"][0]["metadata"]["name"]
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node_name]}
    release.node.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "own"},
            "spec": {
                **made,
                "capacity": {"storage": "4Gi"},
                "persistentVolumeReclaimPolicy": "Retain",
                "local": {"path": str(folder)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "own", "namespace": RUNNERS},
            "spec": {
                **made,
                "volumeName": "own",
                "resources": {"requests": {"storage": "4Gi"}},
            },
        },
    )
