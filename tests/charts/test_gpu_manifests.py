"""What the charts render for pools and job pods on GPUs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from imagerift_operator.job_pod_objects import check_job, run_job
from imagerift_operator.model_access import ModelAccess
from imagerift_operator.pool_objects import deployment, disruption_budget, service
from kubernetes_validate import validate

from tests.charts.rendering import (
    CHARTS,
    NAMESPACE,
    Manifest,
    Objects,
    job_pods,
    pool_template,
)

GOLDEN = Path(__file__).with_name("golden") / "gpu-form.yaml"
CLUSTERS = [f"1.{minor}" for minor in range(29, 38)]
ON_GPUS = ["gpu-l4", "gpu-h100", "gpu-mig"]


def test_no_example_books_a_gpu_for_models_that_use_none(examples: dict[str, Objects]) -> None:
    for name, objects in examples.items():
        for body in objects.of("TritonPool"):
            template = body["spec"].get("template")
            if template is None or not template.get("gpus"):
                continue
            names = {entry["name"]: entry["value"] for entry in template.get("env", [])}
            # The image with PyTorch, and a pool file that uses a GPU.
            assert "/imagerift/triton-gpu@" in template["image"], name
            assert pool_file(names["IMAGERIFT_POOL"])["kind"] == "KIND_GPU", name
        if "job-pods.json" in json.dumps(objects.all) and job_pods(objects).gpus:
            assert name in ON_GPUS
            assert "/imagerift/triton-gpu@" in job_pods(objects).image, name


def pool_file(name: str) -> dict[str, Any]:
    """The pool's file of that name, as it is in the images."""
    folder = CHARTS.parent / "triton_models" / "pools"
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("name", ON_GPUS)
def test_an_example_with_gpus_is_whole_and_means_what_its_pool_file_says(
    examples: dict[str, Objects], name: str
) -> None:
    (pool,) = examples[name].of("TritonPool")
    template = pool_template(examples[name], pool["metadata"]["name"])
    pods = job_pods(examples[name])
    file = pool_file(name)
    assert pool["spec"]["slotsPerReplica"] == file["instances"]["generate"]
    told = [next(one.value for one in each.env) for each in (template, pods)]
    assert told == [name, name]
    # Job pods have what the pool has: image, GPU, weights.
    for field in ("image", "gpus", "gpu_resource", "model_volume", "node_selector", "tolerations"):
        assert getattr(pods, field) == getattr(template, field), field
    weights = [file["diffusion"], *file["diffusion"].get("models", {}).values()]
    assert template.model_volume is not None
    for one in weights:
        assert one["weights"].startswith(f"{template.model_volume.mount_path}/")
        assert one["vramGiB"]
    assert {
        "cpu",
        "memory",
    } <= template.resources.requests.keys() & template.resources.limits.keys()
    assert template.shared_memory != "" and template.startup_seconds > 600
    made = [
        deployment("p", "UID", template, replicas=1, s3_origin="http://s3"),
        run_job("r", NAMESPACE, pods, deadline_seconds=600, s3_origin="http://s3", gate="gate"),
        check_job("c", NAMESPACE, pods, deadline_seconds=600, s3_origin="http://s3", gate="gate"),
    ]
    for body in made:
        for version in CLUSTERS:
            assert validate(body, version, strict=True) == version
    (server,) = made[0]["spec"]["template"]["spec"]["containers"]
    probe = server["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= template.startup_seconds
    assert server["resources"]["limits"][template.gpu_resource] == "1"


def test_the_form_of_what_runs_on_gpus_is_as_agreed(examples: dict[str, Objects]) -> None:
    """Red after a wanted change: write the text of the failure's left side to the golden file."""
    assert yaml.safe_dump_all(gpu_form(examples), sort_keys=False) == GOLDEN.read_text()


def gpu_form(examples: dict[str, Objects]) -> list[Manifest]:
    """What the chart renders for the pool `gpu` and for job pods, and what the operator makes."""
    objects, pools = examples["production"], examples["gpu"]
    template = pool_template(pools, "gpu")
    on_gpus = job_pods(objects).model_copy(update={"gpus": 1, "runtime_class_name": "nvidia"})
    origin = "https://s3.internal.example.com"
    access = ModelAccess(secret="imagerift-model-secrets")
    return [
        pools.one("TritonPool", "gpu"),
        deployment("gpu", "UID", template, replicas=1, s3_origin=origin, access=access),
        service("gpu", "UID", template),
        disruption_budget("gpu", "UID"),
        objects.one("NetworkPolicy", "imagerift-triton"),
        run_job("RUN", NAMESPACE, on_gpus, deadline_seconds=600, s3_origin=origin),
        objects.one("NetworkPolicy", f"imagerift-runner-{NAMESPACE}"),
        objects.one("Role", f"imagerift-operator-{NAMESPACE}"),
    ]


def test_current_kubernetes_takes_what_the_operator_makes(
    examples: dict[str, Objects], quick_schemas: None
) -> None:
    made = [body for body in gpu_form(examples) if body["kind"] != "TritonPool"]
    for body in made:
        for version in CLUSTERS:
            assert validate(body, version, strict=True) == version
