"""What every CustomResourceDefinition is made of: schemas from models, columns, the frame."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from imagerift_core.resources import GROUP, VERSION

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


def definition(
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
    rules: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """`rules` are of the whole object, its name among it."""
    schema: dict[str, Any] = {
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
    if rules:
        schema["x-kubernetes-validations"] = rules
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


def column(name: str, path: str, kind: str = "string", *, wide: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    if wide:
        made["priority"] = 1
    return made


def keyed(schema: dict[str, Any], field: str, key: str) -> dict[str, Any]:
    """`schema` with a list whose items `key` tells apart: the server takes each key once."""
    schema["properties"][field] |= {
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
    }
    return schema
