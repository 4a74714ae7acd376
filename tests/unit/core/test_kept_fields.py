"""What an API server has left out of a manifest is found, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from imagerift_core.kept_fields import not_kept

ASKED: dict[str, Any] = {
    "replicas": 0,
    "template": {
        "containers": [
            {"name": "server", "resources": {"limits": {"cpu": 1}, "claims": [{"name": "gpu"}]}},
            {"name": "beside", "restartPolicy": "Always"},
        ],
        "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}, {"key": "gpu"}],
        "nodeSelector": {},
        "priorityClassName": None,
    },
}


def kept(**template: Any) -> dict[str, Any]:
    """What a server with defaults of its own says of it."""
    made = {
        "containers": [
            # An admission webhook has put one before ours, and quantities are written otherwise.
            {"name": "proxy", "image": "proxy:1"},
            {
                "name": "server",
                "resources": {"limits": {"cpu": "1"}, "claims": [{"name": "gpu"}]},
                "terminationMessagePolicy": "File",
            },
            {"name": "beside", "restartPolicy": "Always"},
        ],
        "tolerations": [{"key": "gpu", "operator": "Equal"}, *ASKED["template"]["tolerations"]],
        "schedulerName": "default-scheduler",
    }
    return {"template": made | template}


def without(item: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != name}


def test_defaults_and_other_ways_to_write_a_value_are_no_loss() -> None:
    assert not_kept(ASKED, kept()) == []


@pytest.mark.parametrize("place", ["resources", "restartPolicy"])
def test_a_field_that_is_missing_is_named_with_its_item(place: str) -> None:
    containers = [without(one, place) for one in kept()["template"]["containers"]]
    of = "server" if place == "resources" else "beside"
    assert not_kept(ASKED, kept(containers=containers)) == [f"template.containers[{of}].{place}"]


def test_an_item_that_is_missing_is_named() -> None:
    containers = kept()["template"]["containers"][:2]
    assert not_kept(ASKED, kept(containers=containers)) == ["template.containers[beside]"]
    assert not_kept(ASKED, kept(tolerations=[{"effect": "NoSchedule"}])) == [
        "template.tolerations[0].operator",
        "template.tolerations[1].key",
    ]


@pytest.mark.parametrize("nothing", [{}, None, []])
def test_where_nothing_is_kept_all_is_lost(nothing: Any) -> None:
    assert not_kept(ASKED, nothing) == ["template"]
    assert not_kept({"spec": ASKED}, {"spec": nothing}) == ["spec.template"]
    assert not_kept({"items": [1, 2]}, {"items": nothing}) == ["items[0]", "items[1]"]
