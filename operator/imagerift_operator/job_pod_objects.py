"""The Kubernetes objects of a job that runs as a pod of its own, as plain documents."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import orjson
from imagerift_core.job_pods import JobPods
from imagerift_core.resources import GROUP

from imagerift_operator.pod_parts import pod_metadata, with_fields
from imagerift_operator.pool_objects import environment

RUN_LABEL = f"{GROUP}/run"
SHARD_LABEL = f"{GROUP}/shard"
CONTAINER = "runner"
_REQUEST_DIR = "/run/imagerift"
_REQUEST = "request.json"
_RESULT = "/dev/termination-log"


def run_name(attempt_id: str) -> str:
    """Name of the Job and the Secret of an attempt, `job id/number`."""
    job_id, number = attempt_id.rsplit("/", 1)
    name = f"{job_id}-{number}"
    # A hand-made job's id is a uid, an API job's a UUID: both fit a name as they are.
    if len(name) <= 63 and name.replace("-", "").isalnum() and name == name.lower():
        return name
    return f"run-{hashlib.sha256(attempt_id.encode()).hexdigest()[:32]}"


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
    name: str, shard: str, pods: JobPods, *, deadline_seconds: int, s3_origin: str
) -> dict[str, Any]:
    """The Job of an attempt: one pod, never retried by Kubernetes; the operator decides that."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {**pods.labels, **run_labels(shard)}},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": max(1, deadline_seconds),
            "ttlSecondsAfterFinished": 600,
            "template": {
                "metadata": pod_metadata(run_labels(shard), pods),
                "spec": with_fields(_pod_spec(name, pods, s3_origin), pods, {SHARD_LABEL: shard}),
            },
        },
    }


def _pod_spec(secret: str, pods: JobPods, s3_origin: str) -> dict[str, Any]:
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
        "containers": [_container(pods, s3_origin)],
        "volumes": [
            {"name": "request", "secret": {"secretName": secret}},
            {"name": "tmp", "emptyDir": {"sizeLimit": pods.temporary_storage}},
        ],
    } | {name: value for name, value in optional.items() if value}


def _container(pods: JobPods, s3_origin: str) -> dict[str, Any]:
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
        "command": [*pods.command, f"{_REQUEST_DIR}/{_REQUEST}", _RESULT],
        "env": environment(pods.env, s3_origin),
        "terminationMessagePath": _RESULT,
        "terminationMessagePolicy": "File",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "request", "mountPath": _REQUEST_DIR, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - inside the container
        ],
    }
    if resources:
        container["resources"] = resources
    return container
