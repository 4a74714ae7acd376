"""The documents of a pool's servers."""

from __future__ import annotations

from typing import Any

import pytest
from imagerift_core.job_pods import JobPods
from imagerift_core.pool_template import PoolTemplate
from imagerift_operator.job_pod_objects import run_job
from imagerift_operator.pool_objects import deployment, disruption_budget, service, with_gate
from pydantic import ValidationError


def template(**more: Any) -> PoolTemplate:
    return PoolTemplate.model_validate({"image": "registry.example/triton:1"} | more)


def pod_spec(**more: Any) -> dict[str, Any]:
    made = deployment("gpu", "uid-1", template(**more), replicas=2, s3_origin="http://s3:8333")
    spec: dict[str, Any] = made["spec"]["template"]["spec"]
    return spec


def test_a_server_asks_for_its_gpus_and_its_place() -> None:
    spec = pod_spec(
        gpus=2,
        resources={"requests": {"cpu": "2"}, "limits": {"memory": "24Gi"}},
        nodeSelector={"gpu": "l4"},
        tolerations=[{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
        runtimeClassName="nvidia",
        modelVolume={"claimName": "weights"},
    )
    (container,) = spec["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "2"},
        "limits": {"memory": "24Gi", "nvidia.com/gpu": "2"},
    }
    assert spec["nodeSelector"] == {"gpu": "l4"}
    assert spec["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    assert spec["runtimeClassName"] == "nvidia"
    assert {"name": "models", "mountPath": "/models", "readOnly": True} in container["volumeMounts"]


def test_a_mig_slice_is_a_resource_of_another_name() -> None:
    (container,) = pod_spec(gpus=1, gpuResource="nvidia.com/mig-1g.10gb")["containers"]
    assert container["resources"] == {"limits": {"nvidia.com/mig-1g.10gb": "1"}}


def test_without_gpus_none_is_asked_for() -> None:
    (container,) = pod_spec(gpus=0)["containers"]
    assert "resources" not in container


def test_a_server_is_restricted_and_holds_no_credential() -> None:
    spec = pod_spec()
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [variable["name"] for variable in container["env"]] == [
        "IMAGERIFT_S3_ORIGIN",
        "IMAGERIFT_CONTROL_DIR",
        "IMAGERIFT_FRONT_PORT",
        "IMAGERIFT_FRONT_METRICS_PORT",
        "IMAGERIFT_ENGINE_ORIGIN",
        "IMAGERIFT_ENGINE_CREDENTIAL_FILE",
    ]


def test_weights_may_take_their_time_and_jobs_end_before_a_server_goes() -> None:
    spec = pod_spec(startupSeconds=1200, drainSeconds=600)
    (container,) = spec["containers"]
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 1200
    assert spec["terminationGracePeriodSeconds"] > 600
    assert container["lifecycle"]["preStop"]["exec"]["command"][-1] == "imagerift_vision.drain"


def volumes(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {volume["name"]: volume for volume in spec["volumes"]}


def job_pods(**more: Any) -> JobPods:
    return JobPods.model_validate({"namespace": "runners", "image": "runner:1"} | more)


def job_pod_spec(**more: Any) -> dict[str, Any]:
    made = run_job("a-1", "shard", job_pods(**more), deadline_seconds=60, s3_origin="http://s3")
    spec: dict[str, Any] = made["spec"]["template"]["spec"]
    return spec


def test_what_a_server_or_a_job_pod_writes_cannot_fill_its_node() -> None:
    for made, size in [
        (pod_spec(), "8Gi"),
        (pod_spec(temporaryStorage=1_000_000_000), "1000000000"),
        (job_pod_spec(), "4Gi"),
        (job_pod_spec(temporaryStorage="1e9"), "1e9"),
    ]:
        assert volumes(made)["tmp"]["emptyDir"] == {"sizeLimit": size}
        for volume in made["volumes"]:
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": "none of its own"})


def test_a_variable_of_the_users_replaces_the_operators_and_is_there_once() -> None:
    env = [{"name": "IMAGERIFT_CONTROL_DIR", "value": "/mine"}, {"name": "OTHER", "value": "1"}]
    for spec in (pod_spec(env=env), job_pod_spec(env=env)):
        (container,) = spec["containers"]
        names = [variable["name"] for variable in container["env"]]
        told = ("IMAGERIFT_FRONT_", "IMAGERIFT_ENGINE_")
        names = [name for name in names if not name.startswith(told)]
        assert sorted(names) == ["IMAGERIFT_CONTROL_DIR", "IMAGERIFT_S3_ORIGIN", "OTHER"]
        assert {"name": "IMAGERIFT_CONTROL_DIR", "value": "/mine"} in container["env"]


def test_servers_are_told_of_the_installations_gate() -> None:
    template = PoolTemplate.model_validate({"image": "triton:1"})
    for gate, told in (("g", ["g"]), (None, [])):
        gated = with_gate(template, gate)
        made = deployment("l4", "uid", gated, replicas=1, s3_origin="http://s3")
        (container,) = made["spec"]["template"]["spec"]["containers"]
        found = [v for v in container["env"] if v["name"] == "IMAGERIFT_MODERATION_MODEL"]
        assert [variable["value"] for variable in found] == told


def variables_of(spec: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in spec["containers"][0]["env"]}


def test_an_engine_s_servers_know_it_and_hold_its_token_as_a_file_alone() -> None:
    engine = {
        "kind": "comfyui",
        "origin": "https://comfy.gpu.svc:8188",
        "model": "portrait",
        "workflow": {"name": "portraits"},
        "secret": {"name": "comfy", "key": "bearer"},
    }
    spec = pod_spec(engine=engine)
    told = variables_of(spec)
    assert {name: value for name, value in told.items() if "ENGINE" in name} == {
        "IMAGERIFT_ENGINE_KIND": "comfyui",
        "IMAGERIFT_ENGINE_ORIGIN": "https://comfy.gpu.svc:8188",
        "IMAGERIFT_ENGINE_MODEL": "portrait",
        "IMAGERIFT_ENGINE_WORKFLOW": "/etc/imagerift/engine-workflow/workflow.json",
        "IMAGERIFT_ENGINE_CREDENTIAL_FILE": "/etc/imagerift/engine-credential/bearer",
    }
    assert told["IMAGERIFT_POOL"] == "engine"
    assert volumes(spec)["engine-workflow"]["configMap"]["name"] == "portraits"
    assert volumes(spec)["engine-credential"]["secret"]["secretName"] == "comfy"
    mounts = {mount["name"]: mount for mount in spec["containers"][0]["volumeMounts"]}
    for name in ("engine-workflow", "engine-credential"):
        assert mounts[name] == {
            "name": name, "mountPath": f"/etc/imagerift/{name}", "readOnly": True,
        }  # fmt: skip
    # A pool's file of one's own says how it is drawn.
    mine = pod_spec(engine=engine, env=[{"name": "IMAGERIFT_POOL", "value": "/pools/mine.json"}])
    assert variables_of(mine)["IMAGERIFT_POOL"] == "/pools/mine.json"


def test_nothing_but_the_pool_s_engine_says_whom_pictures_and_the_token_go_to() -> None:
    env = [
        {"name": "IMAGERIFT_ENGINE_ORIGIN", "value": "http://evil.example"},
        {"name": "IMAGERIFT_ENGINE_CREDENTIAL_FILE", "value": "/etc/imagerift/front-token/x"},
    ]
    told = variables_of(pod_spec(env=env))
    assert told["IMAGERIFT_ENGINE_ORIGIN"] == told["IMAGERIFT_ENGINE_CREDENTIAL_FILE"] == ""
    told = variables_of(pod_spec(env=env, engine={"kind": "openai-images", "origin": "http://a"}))
    assert told["IMAGERIFT_ENGINE_ORIGIN"] == "http://a"
    assert told["IMAGERIFT_ENGINE_CREDENTIAL_FILE"] == ""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "comfyui"}, "give a workflow with the kind comfyui"),
        ({"workflow": {"name": "w"}}, "give a workflow with the kind comfyui"),
        ({"kind": "invoke"}, "openai-images"),
        ({"origin": "http://user:secret@host"}, "pattern"),
        ({"origin": "http://host/v1"}, "pattern"),
        ({"origin": "file:///etc"}, "pattern"),
    ],
)
def test_a_wrong_engine_is_refused(wrong: dict[str, Any], words: str) -> None:
    engine = {"kind": "openai-images", "origin": "http://sglang.gpu.svc"}
    with pytest.raises(ValidationError, match=words):
        template(engine=engine | wrong)


def test_every_object_is_the_pools_own() -> None:
    shape = template()
    for made in (
        deployment("gpu", "uid-1", shape, replicas=0, s3_origin="http://s3"),
        service("gpu", "uid-1", shape),
        disruption_budget("gpu", "uid-1"),
    ):
        (owner,) = made["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("TritonPool", "gpu", "uid-1")
        assert made["metadata"]["name"] == "gpu-triton"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"minReplicas": 2, "maxReplicas": 1}, "minReplicas must not exceed maxReplicas"),
        ({"maxSurge": 0}, "maxSurge and maxUnavailable must not both be 0"),
        ({"shared_memory": "lots"}, "string_pattern_mismatch|should match pattern"),
        ({"gpus": -1}, "greater than or equal to 0"),
    ],
)
def test_a_wrong_template_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        template(**wrong)
