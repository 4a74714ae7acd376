"""Checks values and schemas the way an API server does: structural schemas alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def faults(schema: dict[str, Any], value: Any, path: str = "") -> Iterator[str]:
    """Every way in which `value` breaks `schema`; unknown fields count as faults."""
    if schema.get("x-kubernetes-int-or-string"):
        kind = "string" if isinstance(value, str) else "integer"
    else:
        kind = schema["type"]
    right = isinstance(value, TYPES[kind])
    if not right or (kind == "integer" and isinstance(value, bool)):
        yield f"{path}: not a {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not one of {schema['enum']}"
    if kind == "string" and "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{path}: pattern"
    yield from _out_of_bounds(schema, value, path)
    if kind == "array":
        for number, item in enumerate(value):
            yield from faults(schema["items"], item, f"{path}[{number}]")
        yield from _named_twice(schema, value, path)
    if kind == "object" and "properties" in schema:
        yield from _faults_of_fields(schema, value, path)
    if kind == "object" and "additionalProperties" in schema:
        for name, item in value.items():
            yield from faults(schema["additionalProperties"], item, f"{path}.{name}")


def _named_twice(schema: dict[str, Any], items: list[Any], path: str) -> Iterator[str]:
    if schema.get("x-kubernetes-list-type") == "map":
        keys = schema["x-kubernetes-list-map-keys"]
        counts = Counter(tuple(item.get(key) for key in keys) for item in items)
        for names, count in counts.items():
            if count > 1:
                yield f"{path}: {names} is there {count} times"


def _out_of_bounds(schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    number = isinstance(value, int | float)
    measured = value if number else len(value)
    sizes = [("minLength", "maxLength"), ("minItems", "maxItems")]
    for low, high in [("minimum", "maximum")] if number else sizes:
        if not schema.get(low, measured) <= measured <= schema.get(high, measured):
            yield f"{path}: {measured} is out of bounds"


def _faults_of_fields(schema: dict[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
    for name in schema.get("required", []):
        if name not in value:
            yield f"{path}.{name}: missing"
    for name, item in value.items():
        if name in schema["properties"]:
            yield from faults(schema["properties"][name], item, f"{path}.{name}")
        else:
            yield f"{path}.{name}: unknown"


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside `schema`, itself first, with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")
