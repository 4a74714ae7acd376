"""Writes the CustomResourceDefinitions from the models: `python -m imagerift_core.crds DIR`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml
from imagerift_contract.values import MAX_PICTURES
from pydantic import BaseModel

from imagerift_core.resources import (
    GROUP,
    JOBS,
    POOLS,
    VERSION,
    GenerationJobSpec,
    GenerationJobStatus,
    TritonPoolSpec,
    TritonPoolStatus,
)

_KEPT = {
    "type",
    "description",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "required",
}


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


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema in the structural form that Kubernetes takes.

    References are written out, an optional value is a property that may be absent, and every
    scalar default is kept so that the API server fills it in.
    """
    schema = model.model_json_schema(by_alias=True, mode="validation")
    definitions = schema.get("$defs", {})
    return _structural(schema, definitions)


def _structural(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        return _structural(
            {**target, **{k: v for k, v in node.items() if k != "$ref"}}, definitions
        )
    if "anyOf" in node:
        (choice,) = [option for option in node["anyOf"] if option.get("type") != "null"]
        rest = {key: value for key, value in node.items() if key not in {"anyOf", "default"}}
        return _structural({**choice, **rest}, definitions)
    out = {key: value for key, value in node.items() if key in _KEPT}
    if node.get("type") == ["integer", "string"]:
        del out["type"]
        # In this form alone may a structural schema leave a type open.
        out["anyOf"] = [{"type": "integer"}, {"type": "string"}]
        out["x-kubernetes-int-or-string"] = True
    if "const" in node:
        out["enum"] = [node["const"]]
    # Servers of 1.20 take an empty text for no default at all and refuse it.
    if node.get("default") not in (None, [], {}, ""):
        out["default"] = node["default"]
    if node.get("type") == "integer":
        out["format"] = "int64"
    if node.get("format") == "date-time":
        out["format"] = "date-time"
    if "properties" in node:
        out["properties"] = {
            name: _structural(child, definitions) for name, child in node["properties"].items()
        }
    if "items" in node:
        out["items"] = _structural(node["items"], definitions)
    if node.get("type") == "object" and node.get("additionalProperties") is True:
        out["x-kubernetes-preserve-unknown-fields"] = True
    if isinstance(node.get("additionalProperties"), dict):
        out["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    return out


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


def _definition(
    *,
    plural: str,
    singular: str,
    kind: str,
    short: str,
    about: str,
    spec: dict[str, Any],
    status: dict[str, Any],
    columns: list[dict[str, Any]],
    scale: dict[str, str] | None = None,
) -> dict[str, Any]:
    schema = {
        "type": "object",
        "description": about,
        "required": ["spec"],
        "properties": {
            "apiVersion": {
                "type": "string",
                "description": f"Version of this form of the object: {GROUP}/{VERSION}.",
            },
            "kind": {"type": "string", "description": f"Kind of the object: {kind}."},
            # Of this one the server writes the text itself, and takes none.
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "plural": plural,
                "singular": singular,
                "kind": kind,
                "listKind": f"{kind}List",
                "shortNames": [short],
                "categories": ["imagerift"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}} | ({"scale": scale} if scale else {}),
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _column(name: str, path: str, kind: str = "string", *, wide: bool = False) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    if wide:
        column["priority"] = 1
    return column


def generation_job_definition() -> dict[str, Any]:
    spec = structural_schema(GenerationJobSpec)
    spec["x-kubernetes-validations"] = _immutable_rules() + _output_rules()
    return _definition(
        plural=JOBS,
        singular="generationjob",
        kind="GenerationJob",
        short="gj",
        about="One job: pictures to make of a source, for a workspace. Deleting it while it has "
        "not ended cancels the job.",
        spec=spec,
        status=_keyed(structural_schema(GenerationJobStatus), "conditions", "type")
        # Without a write of anyone's, a job that nobody has touched yet reads as queued.
        | {"default": {"phase": "Queued"}},
        columns=[
            _column("Phase", ".status.phase"),
            _column("Mode", ".spec.mode"),
            _column("Size", ".spec.exportSize"),
            _column("Workspace", ".spec.workspace"),
            _column("Pool", ".status.pool", wide=True),
            _column("Attempts", ".status.attempts", "integer", wide=True),
            _column("Duration", ".status.duration", wide=True),
            _column("Reason", ".status.reason", wide=True),
            _column("Age", ".metadata.creationTimestamp", "date"),
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
    template = _keyed(spec["properties"]["template"], "env", "name")
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
    return _definition(
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
        status=_keyed(structural_schema(TritonPoolStatus), "conditions", "type"),
        columns=[
            _column("Ready", ".status.readyReplicas", "integer"),
            _column("Replicas", ".status.replicas", "integer"),
            _column("Slots", ".status.slots", "integer"),
            _column("Modes", ".spec.modes"),
            _column("Endpoint", ".spec.endpoint", wide=True),
            _column("Models", ".status.readyModels", wide=True),
            _column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


def _keyed(schema: dict[str, Any], field: str, key: str) -> dict[str, Any]:
    """`schema` with a list whose items `key` tells apart: the server takes each key once."""
    schema["properties"][field] |= {
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
    }
    return schema


def manifests() -> dict[str, str]:
    """The definitions' YAML texts by file name."""
    return {
        f"{definition['metadata']['name'].split('.', 1)[1]}_{definition['spec']['names']['plural']}"
        ".yaml": yaml.safe_dump(definition, sort_keys=False, width=100)
        for definition in (generation_job_definition(), triton_pool_definition())
    }


def main() -> None:
    folder = Path(sys.argv[1])
    for name, text in manifests().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
