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
) -> dict[str, Any]:
    """The Job of an attempt: one pod, never retried by Kubernetes; the operator decides that.

    One of a queue begins suspended. Kubernetes counts `activeDeadlineSeconds` from its resumption.
    """
    labels = {**pods.job_labels, **run_labels(shard)}
    if job_id:
        labels[JOB_LABEL] = job_label(job_id)
    suspended = {"suspend": True} if pods.queue_name is not None else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            **suspended,
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": max(1, deadline_seconds),
            "ttlSecondsAfterFinished": 600,
            "template": {
                "metadata": pod_metadata(
                    run_labels(shard), pods, DO_NOT_DISRUPT if pods.do_not_disrupt else {}
                ),
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
