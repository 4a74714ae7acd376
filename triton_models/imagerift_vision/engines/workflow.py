"""A ComfyUI workflow with named inputs: what of a job goes into which input of which node."""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = frozenset(
    {
        "image", "mask", "prompt", "negativePrompt", "seed", "width", "height", "steps",
        "guidanceScale", "strength",
    }
)  # fmt: skip
MAX_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Workflow:
    """A workflow as ComfyUI exports it for its API, and what is set in it."""

    name: str
    version: str
    """The first twelve digits of the file's SHA-256."""
    nodes: Mapping[str, Any]
    """By the node's id: `{class_type, inputs}`."""
    inputs: Mapping[str, tuple[tuple[str, str], ...]]
    """By our name (`NAMES`): node and input, each of which gets the value."""
    output: str
    """The node whose first picture is the answer."""

    @classmethod
    def read(cls, path: Path) -> "Workflow":
        """Read `{workflow, inputs: {name: "node.input"}, output}`.

        Raises OSError, and ValueError which says what is wrong with it.
        """
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise ValueError(f"engine: {path} has more than {MAX_BYTES} bytes")
        document = json.loads(data)
        members = {"workflow", "inputs", "output"}
        if not isinstance(document, dict) or set(document) != members:
            raise ValueError(f"engine: {path} must be {{workflow, inputs, output}}")
        nodes = document["workflow"]
        if not isinstance(nodes, dict) or not all(_is_node(node) for node in nodes.values()):
            raise ValueError(f"engine: {path}: workflow is not in ComfyUI's API format")
        inputs = {
            name: _places(name, places, nodes) for name, places in dict(document["inputs"]).items()
        }
        if "seed" not in inputs:
            raise ValueError(f"engine: {path}: inputs must name seed")
        if document["output"] not in nodes:
            raise ValueError(f"engine: {path}: output names no node of the workflow")
        version = hashlib.sha256(data).hexdigest()[:12]
        return cls(path.stem, version, nodes, inputs, document["output"])

    def filled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The nodes with these values set; what is not among them stays as it was exported."""
        nodes: dict[str, Any] = copy.deepcopy(dict(self.nodes))
        for name, value in values.items():
            for node, field in self.inputs.get(name, ()):
                nodes[node]["inputs"][field] = value
        return nodes


def _is_node(node: Any) -> bool:
    return isinstance(node, dict) and "class_type" in node and isinstance(node.get("inputs"), dict)


def _places(name: str, given: Any, nodes: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    if name not in NAMES:
        raise ValueError(f"engine: inputs: {name} is none of {', '.join(sorted(NAMES))}")
    found = []
    for place in [given] if isinstance(given, str) else list(given):
        node, _, field = str(place).partition(".")
        if node not in nodes or field not in nodes[node]["inputs"]:
            raise ValueError(f"engine: inputs.{name}: the workflow has no {place}")
        found.append((node, field))
    return tuple(found)
