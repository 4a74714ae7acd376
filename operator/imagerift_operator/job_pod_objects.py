"""The Kubernetes objects of a job that runs as a pod of its own, as plain documents."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from imagerift_core.job_pods import JobPods, Keeping
from imagerift_core.resources import GROUP

from imagerift_operator.engine_parts import (
    engine_mounts,
    engine_variables,
    engine_volumes,
    settled_variables,
)
from imagerift_operator.model_access import TOKEN_KEY
from imagerift_operator.pod_parts import MountedWeights, pod_metadata, with_fields
from imagerift_operator.pool_objects import environment, gate_told

JOB_LABEL = f"{GROUP}/job"
SHARD_LABEL = f"{GROUP}/shard"
CONTAINER = "runner"
# What Karpenter and the cluster autoscaler read of a pod that is not to be moved.
DO_NOT_DISRUPT = {
    "karpenter.sh/do-not-disrupt": "true",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
}
_REQUEST_DIR = "/run/imagerift"
_REQUEST = "request.json"
_RESULT = "/dev/termination-log"
_MODELS = "models"
KEPT_PORT = 8000


def run_name(attempt_id: str) -> str:
    """Name of the Job and the Secret of an attempt, `job id/number`."""
    job_id, number = attempt_id.rsplit("/", 1)
    return _plain(f"{job_id}-{number}") or f"run-{_digest(attempt_id)}"


def job_label(job_id: str) -> str:
    """What the Jobs of a job's attempts bear as `JOB_LABEL`."""
    return _plain(job_id) or f"job-{_digest(job_id)}"


def _plain(name: str) -> str | None:
    """The name where Kubernetes takes it as it is.

    A hand-made job's id is a uid, an API job's a UUID: both fit.
    """
    fits = len(name) <= 63 and name.replace("-", "").isalnum() and name == name.lower()
    return name if fits else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def run_labels(shard: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "imagerift-runner",
        "app.kubernetes.io/part-of": "imagerift",
        "app.kubernetes.io/managed-by": "imagerift-operator",
        SHARD_LABEL: shard,
    }


def selector(shard: str) -> str:
    """The label selector of a shard's runs, in kubectl's spelling."""
    return f"app.kubernetes.io/name=imagerift-runner,{SHARD_LABEL}={shard}"


def job_selector(shard: str, job_id: str) -> str:
    """The label selector of the Jobs of one job's attempts."""
    return f"{selector(shard)},{JOB_LABEL}={job_label(job_id)}"


def run_secret(name: str, shard: str, request: dict[str, Any]) -> dict[str, Any]:
    """The Secret of the REQUEST and its signed URLs, which expire with the attempt's deadline."""
    document = base64.b64encode(orjson.dumps(request)).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "labels": run_labels(shard)},
        "data": {_REQUEST: document},
    }


def run_job(
    name: str,
    shard: str,
    pods: JobPods,
    *,
    deadline_seconds: int,
    s3_origin: str,
    job_id: str = "",
    gate: str | None = None,
) -> dict[str, Any]:
    """The Job of an attempt: one pod, never retried by Kubernetes; the operator decides that.

    One of a queue begins suspended. Kubernetes counts `activeDeadlineSeconds` from its resumption.
    `gate` is the safety gate of the installation.
    """
    labels = {**pods.job_labels, **run_labels(shard)}
    if job_id:
        labels[JOB_LABEL] = job_label(job_id)
    spec = _pod_spec(pods, _container(pods, s3_origin, gate))
    spec["volumes"].insert(0, {"name": "request", "secret": {"secretName": name}})
    (container,) = spec["containers"]
    container["command"] += [f"{_REQUEST_DIR}/{_REQUEST}", _RESULT]
    container["volumeMounts"].insert(
        0, {"name": "request", "mountPath": _REQUEST_DIR, "readOnly": True}
    )
    job = _job(name, labels, _template(shard, pods, spec), deadline_seconds=deadline_seconds)
    if pods.queue_name is not None:
        job["spec"]["suspend"] = True
    return job


def kept_secret(name: str, shard: str, token: str) -> dict[str, Any]:
    """The Secret of a kept pod: the token by which its server knows this operator, and no other."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "labels": run_labels(shard)},
        "data": {TOKEN_KEY: base64.b64encode(token.encode()).decode()},
    }


def kept_job(
    name: str,
    shard: str,
    pods: JobPods,
    keep: Keeping,
    *,
    deadline_seconds: int,
    s3_origin: str,
    gate: str | None = None,
) -> dict[str, Any]:
    """The Job of a pod that stays: a model server for one job after the other of one kind."""
    container = _container(pods, s3_origin, gate)
    container["command"] = [*keep.command]
    told = {
        "IMAGERIFT_FRONT_PORT": str(KEPT_PORT),
        "IMAGERIFT_FRONT_TOKEN_FILE": f"{_REQUEST_DIR}/{TOKEN_KEY}",
    }
    container["env"] = _variables(pods, s3_origin, gate_told(gate) | told)
    container["ports"] = [{"name": "http", "containerPort": KEPT_PORT, "protocol": "TCP"}]
    container["volumeMounts"] += [
        {"name": "token", "mountPath": _REQUEST_DIR, "readOnly": True},
        {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108 - inside the container
    ]
    spec = _pod_spec(pods, container)
    memory = {"medium": "Memory", "sizeLimit": keep.shared_memory}
    spec["volumes"] += [
        {"name": "token", "secret": {"secretName": name}},
        {"name": "shared-memory", "emptyDir": memory},
    ]
    labels = {**pods.job_labels, **run_labels(shard)}
    template = _template(shard, pods, spec)
    return _job(name, labels, template, deadline_seconds=deadline_seconds)


def check_job(
    name: str,
    shard: str,
    pods: JobPods,
    *,
    deadline_seconds: int,
    s3_origin: str,
    gate: str | None = None,
) -> dict[str, Any]:
    """The Job that asks the image, by the same variables and volumes, whether it could run jobs.

    Its pod takes no device and is in no queue, and it goes wherever there is a place: no node of
    GPUs is made for it.
    """
    free = pods.model_copy(
        update={
            "gpus": 0,
            "resource_claims": [],
            "queue": None,
            "labels": {},
            "node_selector": {},
            "affinity": None,
            "topology_spread_constraints": [],
            "runtime_class_name": None,
            "do_not_disrupt": False,
        }
    )
    spec = _pod_spec(free, _container(free, s3_origin, gate))
    spec["containers"][0]["command"] += ["--check", _RESULT]
    template = _template(shard, free, spec)
    return _job(name, run_labels(shard), template, deadline_seconds=deadline_seconds)


def with_weights(job: dict[str, Any], weights: MountedWeights) -> dict[str, Any]:
    """A Job of these whose pod has the weights that job pods name."""
    template = job["spec"]["template"]
    pod = template | {"spec": weights.put_into(template["spec"])}
    return job | {"spec": job["spec"] | {"template": pod}}


def _job(
    name: str, labels: dict[str, str], template: dict[str, Any], *, deadline_seconds: int
) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": max(1, deadline_seconds),
            "ttlSecondsAfterFinished": 600,
            "template": template,
        },
    }


def _template(shard: str, pods: JobPods, spec: dict[str, Any]) -> dict[str, Any]:
    annotations = DO_NOT_DISRUPT if pods.do_not_disrupt else {}
    return {
        "metadata": pod_metadata(run_labels(shard), pods, annotations),
        "spec": with_fields(spec, pods, {SHARD_LABEL: shard}),
    }


def _pod_spec(pods: JobPods, container: dict[str, Any]) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = [
        {"name": "tmp", "emptyDir": {"sizeLimit": pods.temporary_storage}}
    ]
    if pods.model_volume is not None:
        claim = {"claimName": pods.model_volume.claim_name, "readOnly": True}
        volumes.append({"name": _MODELS, "persistentVolumeClaim": claim})
    volumes += engine_volumes(pods.engine)
    optional = {
        "imagePullSecrets": [{"name": name} for name in pods.image_pull_secrets],
        "nodeSelector": pods.node_selector,
        "tolerations": [
            toleration.model_dump(by_alias=True, exclude_none=True)
            for toleration in pods.tolerations
        ],
        "runtimeClassName": pods.runtime_class_name,
        "priorityClassName": pods.priority_class_name,
    }
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 15,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    } | {name: value for name, value in optional.items() if value}


def _container(pods: JobPods, s3_origin: str, gate: str | None) -> dict[str, Any]:
    limits = dict(pods.resources.limits)
    if pods.gpus:
        limits[pods.gpu_resource] = str(pods.gpus)
    resources = {
        name: amounts
        for name, amounts in (("requests", dict(pods.resources.requests)), ("limits", limits))
        if amounts
    }
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": pods.image,
        "command": [*pods.command],
        "env": _variables(pods, s3_origin, gate_told(gate)),
        "terminationMessagePath": _RESULT,
        "terminationMessagePolicy": "File",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - inside the container
        ],
    }
    if pods.model_volume is not None:
        mount = {"name": _MODELS, "mountPath": pods.model_volume.mount_path, "readOnly": True}
        container["volumeMounts"].append(mount)
    container["volumeMounts"] += engine_mounts(pods.engine)
    if resources:
        container["resources"] = resources
    return container


def _variables(pods: JobPods, s3_origin: str, told: Mapping[str, str]) -> list[dict[str, Any]]:
    """The container's variables; whom an engine's pictures and token go to, its settings alone say.

    Without an engine here a variable or the pool's file may name one.
    """
    if pods.engine is None:
        return environment(pods.env, s3_origin, told)
    settled = settled_variables(pods.engine)
    given = [one for one in pods.env if one.name not in settled]
    return environment(given, s3_origin, {**told, **engine_variables(pods.engine), **settled})
