"""What the pods of a pool with an engine outside get: its files, and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagerift_core.engine import Engine

# The pool's file in the shipped image whose modes `remote` draws.
POOL_FILE = "engine"
_MOUNTS = "/etc/imagerift"
_WORKFLOW = "engine-workflow"
_CREDENTIAL = "engine-credential"


def engine_volumes(engine: Engine | None) -> list[dict[str, Any]]:
    """Volumes of the pod: the workflow, and the credential as a file."""
    volumes: list[dict[str, Any]] = []
    if engine is None:
        return volumes
    if engine.workflow is not None:
        items = [{"key": engine.workflow.key, "path": engine.workflow.key}]
        source = {"name": engine.workflow.name, "items": items}
        volumes.append({"name": _WORKFLOW, "configMap": source})
    if engine.secret is not None:
        items = [{"key": engine.secret.key, "path": engine.secret.key}]
        secret = {"secretName": engine.secret.name, "items": items}
        volumes.append({"name": _CREDENTIAL, "secret": secret})
    return volumes


def engine_mounts(engine: Engine | None) -> list[dict[str, Any]]:
    """Where the server has them."""
    return [
        {"name": volume["name"], "mountPath": f"{_MOUNTS}/{volume['name']}", "readOnly": True}
        for volume in engine_volumes(engine)
    ]


def engine_variables(engine: Engine | None) -> Mapping[str, str]:
    """What the model `remote` reads (imagerift_vision.engines.settings); a pool's own win."""
    if engine is None:
        return {}
    told = {"IMAGERIFT_POOL": POOL_FILE, "IMAGERIFT_ENGINE_KIND": engine.kind}
    if engine.model is not None:
        told["IMAGERIFT_ENGINE_MODEL"] = engine.model
    if engine.workflow is not None:
        path = f"{_MOUNTS}/{_WORKFLOW}/{engine.workflow.key}"
        told["IMAGERIFT_ENGINE_WORKFLOW"] = path
    return told


def settled_variables(engine: Engine | None) -> Mapping[str, str]:
    """What no variable and no file of a pool's says otherwise: whom pictures and the token go to.

    Empty without an engine: then there is none, whatever a file says.
    """
    origin = "" if engine is None else engine.origin
    path = ""
    if engine is not None and engine.secret is not None:
        path = f"{_MOUNTS}/{_CREDENTIAL}/{engine.secret.key}"
    return {"IMAGERIFT_ENGINE_ORIGIN": origin, "IMAGERIFT_ENGINE_CREDENTIAL_FILE": path}
