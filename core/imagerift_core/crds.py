"""Writes the CustomResourceDefinitions from the models: `python -m imagerift_core.crds DIR`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml
from imagerift_contract.values import MAX_PICTURES

from imagerift_core.definition_parts import column, definition, keyed, structural_schema
from imagerift_core.model_weights import ModelWeightsSpec, ModelWeightsStatus
from imagerift_core.resources import (
    JOBS,
    POOLS,
    WEIGHTS,
    GenerationJobSpec,
    GenerationJobStatus,
    TritonPoolSpec,
    TritonPoolStatus,
)
from imagerift_core.tenant_definitions import (
    api_key_definition,
    mode_definition,
    plan_definition,
    webhook_endpoint_definition,
    workspace_definition,
)


def _immutable_rules() -> list[dict[str, str]]:
    """CEL: every field of the spec keeps its value, but for cancel, which may become true."""
    spec = structural_schema(GenerationJobSpec)
    same = []
    for name, field in spec["properties"].items():
        if name == "cancel":
            continue
        if name in spec["required"] or "default" in field:
            same.append(f"self.{name} == oldSelf.{name}")
        else:
            same.append(
                f"has(self.{name}) == has(oldSelf.{name}) "
                f"&& (!has(self.{name}) || self.{name} == oldSelf.{name})"
            )
    return [
        {"rule": "self.cancel || !oldSelf.cancel", "message": "cancel cannot be taken back"},
        {"rule": " && ".join(same), "message": "spec is immutable but for cancel"},
    ]


def _output_rules() -> list[dict[str, str]]:
    """CEL: what `outputs` stand in place of is left as it is; they differ and are not too many."""
    spec = structural_schema(GenerationJobSpec)["properties"]
    left = " && ".join(
        f"self.{name} == '{spec[name]['default']}'"
        for name in ("exportSize", "outputAspect", "outputFormat")
    )
    once = "self.outputs.all(one, self.outputs.exists_one(other, other == one))"
    pictures = f"self.variations * size(self.outputs) <= {MAX_PICTURES}"
    return [
        {
            "rule": f"!has(self.outputs) || {left}",
            "message": "outputs stand in place of exportSize, outputAspect and outputFormat",
        },
        {"rule": f"!has(self.outputs) || {once}", "message": "outputs must differ"},
        {
            "rule": f"!has(self.outputs) || {pictures}",
            "message": f"variations in all outputs must be {MAX_PICTURES} pictures at most",
        },
    ]


def generation_job_definition() -> dict[str, Any]:
    spec = structural_schema(GenerationJobSpec)
    spec["x-kubernetes-validations"] = _immutable_rules() + _output_rules()
    return definition(
        plural=JOBS,
        singular="generationjob",
        kind="GenerationJob",
        short="gj",
        about="One job: pictures to make of a source, for a workspace. Deleting it while it has "
        "not ended cancels the job.",
        spec=spec,
        status=keyed(structural_schema(GenerationJobStatus), "conditions", "type")
        # Without a write of anyone's, a job that nobody has touched yet reads as queued.
        | {"default": {"phase": "Queued"}},
        columns=[
            column("Phase", ".status.phase"),
            column("Mode", ".spec.mode"),
            column("Size", ".spec.exportSize"),
            column("Workspace", ".spec.workspace"),
            column("Pool", ".status.pool", wide=True),
            column("Attempts", ".status.attempts", "integer", wide=True),
            column("Duration", ".status.duration", wide=True),
            column("Reason", ".status.reason", wide=True),
            column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


def triton_pool_definition() -> dict[str, Any]:
    spec = structural_schema(TritonPoolSpec)
    # Also for servers before 1.25, which know no rules.
    spec["oneOf"] = [{"required": ["endpoint"]}, {"required": ["template"]}]
    spec["x-kubernetes-validations"] = [
        {
            "rule": "has(self.endpoint) != has(self.template)",
            "message": "give exactly one of endpoint and template",
        }
    ]
    template = keyed(spec["properties"]["template"], "env", "name")
    template["x-kubernetes-validations"] = [
        {
            "rule": "self.minReplicas <= self.maxReplicas",
            "message": "minReplicas must not exceed maxReplicas",
        },
        {
            "rule": "self.maxSurge > 0 || self.maxUnavailable > 0",
            "message": "maxSurge and maxUnavailable must not both be 0",
        },
    ]
    template["properties"]["engine"]["x-kubernetes-validations"] = [
        {
            "rule": "(self.kind == 'comfyui') == has(self.workflow)",
            "message": "give a workflow with the kind comfyui, and with it alone",
        }
    ]
    return definition(
        plural=POOLS,
        singular="tritonpool",
        kind="TritonPool",
        short="tp",
        about="Model servers that jobs are sent to: one that exists, or ones that the operator "
        "makes, scales and repairs.",
        spec=spec,
        scale={
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
        status=keyed(structural_schema(TritonPoolStatus), "conditions", "type"),
        columns=[
            column("Ready", ".status.readyReplicas", "integer"),
            column("Replicas", ".status.replicas", "integer"),
            column("Slots", ".status.slots", "integer"),
            column("Modes", ".spec.modes"),
            column("Endpoint", ".spec.endpoint", wide=True),
            column("Models", ".status.readyModels", wide=True),
            column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


def model_weights_definition() -> dict[str, Any]:
    spec = structural_schema(ModelWeightsSpec)
    downloaded = "!self.source.startsWith('pvc://') && !self.source.startsWith('oci://')"
    spec["x-kubernetes-validations"] = [
        {
            "rule": "self.source == oldSelf.source && self.execution == oldSelf.execution",
            "message": "source and execution stay as they are: make another object",
        },
        {
            "rule": f"has(self.storage) == ({downloaded})",
            "message": "give storage for what is downloaded (hf, s3, https), and for nothing else",
        },
        {
            "rule": "!self.source.startsWith('https://') || has(self.checksums)",
            "message": "give checksums: an https source has the files that are named there",
        },
    ]
    return definition(
        plural=WEIGHTS,
        singular="modelweights",
        kind="ModelWeights",
        short="mw",
        about="Weights of models: downloaded by a Job, verified, and then mounted where pools and "
        "job pods name them. Deleting them waits until no pool does.",
        spec=spec,
        status=keyed(structural_schema(ModelWeightsStatus), "conditions", "type"),
        columns=[
            column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            column("Reason", ".status.conditions[?(@.type=='Ready')].reason"),
            column("Progress", ".status.progress"),
            column("Size", ".status.size"),
            column("Licence", ".status.licence"),
            column("Digest", ".status.digest"),
            column("Source", ".spec.source", wide=True),
            column("Pools", ".status.pools", wide=True),
            column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


def manifests() -> dict[str, str]:
    """The definitions' YAML texts by file name."""
    return {
        f"{made['metadata']['name'].split('.', 1)[1]}_{made['spec']['names']['plural']}.yaml": (
            yaml.safe_dump(made, sort_keys=False, width=100)
        )
        for made in (
            generation_job_definition(),
            triton_pool_definition(),
            model_weights_definition(),
            workspace_definition(),
            api_key_definition(),
            webhook_endpoint_definition(),
            plan_definition(),
            mode_definition(),
        )
    }


def main() -> None:
    folder = Path(sys.argv[1])
    for name, text in manifests().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
