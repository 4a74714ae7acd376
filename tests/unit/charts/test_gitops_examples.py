"""The examples for Argo CD and Flux: health by their own Lua, of statuses as they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from imagerift_core.kube_workloads import Trouble
from imagerift_operator.pool_status import (
    ServersSeen,
    endpoint_conditions,
    refused_conditions,
    template_conditions,
)
from lupa import LuaRuntime

FOLDER = Path(__file__).parents[3] / "docs" / "gitops"
SCRIPTS: dict[str, str] = yaml.safe_load((FOLDER / "argocd-cm.yaml").read_text())["data"]
PULL = Trouble("ImagePullBackOff", "the image cannot be had")
POOLS: list[tuple[list[dict[str, Any]], str]] = [
    (endpoint_conditions(ready=1, present=1), "Healthy"),
    (endpoint_conditions(ready=0, present=1), "Degraded"),
    (template_conditions(None, ready=0), "Progressing"),
    (template_conditions(ServersSeen(asked=2, pods=2, placed=2), ready=2), "Healthy"),
    (template_conditions(ServersSeen(asked=2, pods=2, placed=2), ready=0), "Progressing"),
    (template_conditions(ServersSeen(asked=2), ready=0), "Progressing"),
    (template_conditions(ServersSeen(asked=0), ready=0), "Suspended"),
    (template_conditions(ServersSeen(asked=1, pods=1, trouble=PULL), ready=0), "Degraded"),
    # An update that fails beside a server that works.
    (template_conditions(ServersSeen(asked=1, pods=2, trouble=PULL), ready=1), "Degraded"),
    (refused_conditions("NotAllowed", "its image"), "Degraded"),
    ([], "Progressing"),
]


def health(kind: str, status: dict[str, Any] | None) -> tuple[str, str]:
    """As Argo CD runs a script: with the object as `obj`."""
    lua = LuaRuntime()
    document = {"kind": kind} | ({} if status is None else {"status": status})
    lua.globals()["obj"] = lua.table_from(document, recursive=True)
    found = lua.execute(SCRIPTS[f"resource.customizations.health.imagerift.dev_{kind}"])
    return found["status"], found["message"]


@pytest.mark.parametrize(
    ("phase", "wanted"),
    [
        ("Queued", "Progressing"),
        ("Running", "Progressing"),
        ("Succeeded", "Healthy"),
        ("Failed", "Degraded"),
        ("Canceled", "Suspended"),
    ],
)
def test_a_jobs_health_is_its_phase(phase: str, wanted: str) -> None:
    assert health("GenerationJob", {"phase": phase, "message": "words"}) == (wanted, "words")
    assert health("GenerationJob", None) == ("Progressing", "Not seen yet")


@pytest.mark.parametrize(("conditions", "wanted"), POOLS)
def test_a_pools_health_follows_its_conditions(
    conditions: list[dict[str, Any]], wanted: str
) -> None:
    status, message = health("TritonPool", {"conditions": conditions})
    assert status == wanted
    assert message in {"Not seen yet", *(one["message"] for one in conditions)}
    assert health("TritonPool", None)[0] == "Progressing"


def test_the_other_examples_name_what_is_there() -> None:
    for name in ("argocd-application.yaml", "flux.yaml"):
        bodies = list(yaml.safe_load_all((FOLDER / name).read_text()))
        assert all({"apiVersion", "kind", "metadata", "spec"} <= set(body) for body in bodies)
