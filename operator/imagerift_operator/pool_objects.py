"""The Kubernetes objects of a pool's model servers, as plain documents."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from imagerift_core.pod_fields import EnvironmentVariable
from imagerift_core.pool_template import PoolTemplate
from imagerift_core.resources import GROUP, VERSION

from imagerift_operator.engine_parts import (
    engine_mounts,
    engine_variables,
    engine_volumes,
    settled_variables,
)
from imagerift_operator.model_access import NO_TOKEN, TOKEN_KEY, ModelAccess
from imagerift_operator.pod_parts import (
    NO_WEIGHTS,
    MountedWeights,
    pod_metadata,
    variable,
    with_fields,
)

POOL_LABEL = f"{GROUP}/pool"
CONTROL_DIR = "/tmp/imagerift-control"  # noqa: S108 - a folder inside the server's own container
_PROBE_SECONDS = 5
_MODELS = "models"
# Where a server's front finds its token and its certificate.
_TOKEN = "front-token"  # noqa: S105 - a volume's name
_TLS = "front-tls"
_MOUNTS = "/etc/imagerift"


def object_name(pool: str) -> str:
    """Name of the Deployment, the Service and the PodDisruptionBudget of a pool."""
    return f"{pool}-triton"


def pool_labels(pool: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "triton",
        "app.kubernetes.io/part-of": "imagerift",
        "app.kubernetes.io/managed-by": "imagerift-operator",
        POOL_LABEL: pool,
    }


def selector(pool: str) -> str:
    """The label selector of a pool's pods, in kubectl's spelling."""
    return f"{POOL_LABEL}={pool}"


def deployment(
    pool: str,
    uid: str,
    template: PoolTemplate,
    *,
    replicas: int,
    s3_origin: str,
    access: ModelAccess = NO_TOKEN,
    weights: MountedWeights = NO_WEIGHTS,
) -> dict[str, Any]:
    """The Deployment that keeps `replicas` servers of the template."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(pool, uid),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {POOL_LABEL: pool}},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {
                    "maxSurge": template.max_surge,
                    "maxUnavailable": template.max_unavailable,
                },
            },
            # Loading weights is no lack of progress.
            "progressDeadlineSeconds": template.startup_seconds + 600,
            "template": {
                "metadata": pod_metadata(pool_labels(pool), template),
                "spec": with_fields(
                    weights.put_into(_pod_spec(template, s3_origin, access)),
                    template,
                    {POOL_LABEL: pool},
                ),
            },
        },
    }


def service(pool: str, uid: str, template: PoolTemplate) -> dict[str, Any]:
    """The headless Service, for names and metrics; jobs go to each server's own address."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(pool, uid),
        "spec": {
            "clusterIP": "None",
            "selector": {POOL_LABEL: pool},
            "ports": [
                {"name": "http", "port": template.port, "targetPort": "http", "protocol": "TCP"},
                {
                    "name": "metrics",
                    "port": template.metrics_port,
                    "targetPort": "metrics",
                    "protocol": "TCP",
                },
            ],
        },
    }


def disruption_budget(pool: str, uid: str) -> dict[str, Any]:
    """The PodDisruptionBudget: one server at a time may go by a voluntary disruption."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(pool, uid),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {POOL_LABEL: pool}}},
    }


def environment(
    given: list[EnvironmentVariable], s3_origin: str, more: Mapping[str, str] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """The variables of a server or job pod: the operator's own, but for those that are given.

    A name that were there twice would have the API server refuse the whole object.
    """
    own = {"IMAGERIFT_S3_ORIGIN": s3_origin, "IMAGERIFT_CONTROL_DIR": CONTROL_DIR, **more}
    made = {name: {"name": name, "value": value} for name, value in own.items()}
    return list((made | {one.name: variable(one) for one in given}).values())


def gate_told(gate: str | None) -> dict[str, str]:
    """What a server or job pod is told of the installation's safety gate; it wins over its file."""
    return {} if gate is None else {"IMAGERIFT_MODERATION_MODEL": gate}


def with_gate(template: PoolTemplate, gate: str | None) -> PoolTemplate:
    """The template, whose servers are told of the gate where it does not name one itself."""
    told = [EnvironmentVariable(name=name, value=value) for name, value in gate_told(gate).items()]
    return template.model_copy(update={"env": [*told, *template.env]})


def _metadata(pool: str, uid: str) -> dict[str, Any]:
    return {
        "name": object_name(pool),
        "labels": pool_labels(pool),
        "ownerReferences": [
            {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": "TritonPool",
                "name": pool,
                "uid": uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }


def _pod_spec(template: PoolTemplate, s3_origin: str, access: ModelAccess) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = [
        {"name": "tmp", "emptyDir": {"sizeLimit": template.temporary_storage}},
        {
            "name": "shared-memory",
            "emptyDir": {"medium": "Memory", "sizeLimit": template.shared_memory},
        },
    ]
    if template.model_volume is not None:
        claim = {"claimName": template.model_volume.claim_name, "readOnly": True}
        volumes.append({"name": _MODELS, "persistentVolumeClaim": claim})
    if access.secret:
        token = [{"key": TOKEN_KEY, "path": TOKEN_KEY}]
        volumes.append({"name": _TOKEN, "secret": {"secretName": access.secret, "items": token}})
    if access.tls_secret:
        pair = [{"key": name, "path": name} for name in ("tls.crt", "tls.key")]
        volumes.append({"name": _TLS, "secret": {"secretName": access.tls_secret, "items": pair}})
    volumes += engine_volumes(template.engine)
    optional = {
        "imagePullSecrets": [{"name": name} for name in template.image_pull_secrets],
        "nodeSelector": template.node_selector,
        "tolerations": [
            toleration.model_dump(by_alias=True, exclude_none=True)
            for toleration in template.tolerations
        ],
        "runtimeClassName": template.runtime_class_name,
        "priorityClassName": template.priority_class_name,
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # The drain command and the server's own stop both fit in.
        "terminationGracePeriodSeconds": template.drain_seconds + 30,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(template, s3_origin, access)],
        "volumes": volumes,
    } | {name: value for name, value in optional.items() if value}


def _container(template: PoolTemplate, s3_origin: str, access: ModelAccess) -> dict[str, Any]:
    asked = {"port": "http"} | ({"scheme": "HTTPS"} if access.tls_secret else {})
    ready = {"httpGet": {"path": "/v2/health/ready", **asked}, "timeoutSeconds": 5}
    live = {"httpGet": {"path": "/v2/health/live", **asked}, "timeoutSeconds": 10}
    mounts: list[dict[str, Any]] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - inside the container
        {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108
    ]
    if template.model_volume is not None:
        mounts.append(
            {"name": _MODELS, "mountPath": template.model_volume.mount_path, "readOnly": True}
        )
    for volume, held in ((_TOKEN, access.secret), (_TLS, access.tls_secret)):
        if held:
            mounts.append({"name": volume, "mountPath": f"{_MOUNTS}/{volume}", "readOnly": True})
    mounts += engine_mounts(template.engine)
    container: dict[str, Any] = {
        "name": "triton",
        "image": template.image,
        "env": _variables(template, s3_origin, access),
        "ports": [
            {"name": "http", "containerPort": template.port, "protocol": "TCP"},
            {"name": "metrics", "containerPort": template.metrics_port, "protocol": "TCP"},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": ready
        | {
            "periodSeconds": _PROBE_SECONDS,
            "failureThreshold": -(-template.startup_seconds // _PROBE_SECONDS),
        },
        "readinessProbe": ready | {"periodSeconds": _PROBE_SECONDS, "failureThreshold": 3},
        "livenessProbe": live | {"periodSeconds": 10, "failureThreshold": 6},
        "volumeMounts": mounts,
    }
    if template.drain_command:
        container["lifecycle"] = {"preStop": {"exec": {"command": template.drain_command}}}
    if template.image_pull_policy is not None:
        container["imagePullPolicy"] = template.image_pull_policy
    if template.command:
        container["command"] = template.command
    if template.args:
        container["args"] = template.args
    resources = _resources(template)
    if resources:
        container["resources"] = resources
    return container


def _variables(template: PoolTemplate, s3_origin: str, access: ModelAccess) -> list[dict[str, Any]]:
    told = {**_front(template, access), **engine_variables(template.engine)}
    settled = settled_variables(template.engine)
    given = [one for one in template.env if one.name not in settled]
    return environment(given, s3_origin, {**told, **settled})


def _front(template: PoolTemplate, access: ModelAccess) -> dict[str, str]:
    """What the front in the server's image is told (imagerift_front.settings)."""
    told = {"PORT": str(template.port), "METRICS_PORT": str(template.metrics_port)}
    if access.secret:
        told["TOKEN_FILE"] = f"{_MOUNTS}/{_TOKEN}/{TOKEN_KEY}"
    if access.tls_secret:
        told["TLS_CERTIFICATE"] = f"{_MOUNTS}/{_TLS}/tls.crt"
        told["TLS_KEY"] = f"{_MOUNTS}/{_TLS}/tls.key"
    return {f"IMAGERIFT_FRONT_{name}": value for name, value in told.items()}


def _resources(template: PoolTemplate) -> dict[str, dict[str, str]]:
    requests, limits = dict(template.resources.requests), dict(template.resources.limits)
    if template.gpus:
        # Kubernetes takes GPUs as limits; the request follows.
        limits[template.gpu_resource] = str(template.gpus)
    return {
        name: amounts for name, amounts in (("requests", requests), ("limits", limits)) if amounts
    }
