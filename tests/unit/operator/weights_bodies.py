"""ModelWeights as the watch brings them."""

from __future__ import annotations

from typing import Any

from imagerift_core.model_weights import ModelWeightsSpec

SPEC: dict[str, Any] = {
    "source": "hf://acme/sdxl@main",
    "acceptLicence": "openrail++",
    "storage": {"size": "10Gi"},
}
SUM = "a" * 64
IMAGE: dict[str, Any] = {"source": f"oci://registry/sdxl@sha256:{SUM}", "acceptLicence": "MIT"}


def body(
    name: str = "sdxl", *, status: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    given = {key: value for key, value in (SPEC | spec).items() if value is not None}
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "generation": 2,
        },
        "spec": given,
        "status": status or {},
    }


def condition(kind: str, status: str, reason: str, message: str = "words") -> dict[str, Any]:
    at = "2026-11-01T00:00:00.000Z"
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": at,
    }


def ready(**spec: Any) -> dict[str, Any]:
    """The status of weights with this spec that are Ready."""
    made = ModelWeightsSpec.model_validate(
        {key: value for key, value in (SPEC | spec).items() if value is not None}
    )
    return {
        "conditions": [condition("Ready", "True", "Ready")],
        "fingerprint": made.fingerprint,
        "licence": made.accept_licence,
    }
