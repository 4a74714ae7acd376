"""Whether rendered NetworkPolicies let one pod reach another, by the rules of Kubernetes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any

from imagerift_operator.pool_objects import pool_labels

from tests.charts.rendering import NAMESPACE, RELEASE, Manifest


@dataclass(frozen=True)
class Place:
    """A pod (labels and namespace's labels), or an address outside."""

    labels: dict[str, str] = field(default_factory=dict)
    namespace: str = ""
    address: str = ""


def pod(component: str, namespace: str = NAMESPACE) -> Place:
    """A pod of the release; `triton` is a model server that the operator made."""
    if component == "triton":
        return Place(pool_labels("gpu"), namespace)
    labels = {
        "app.kubernetes.io/part-of": "imagerift",
        "app.kubernetes.io/instance": RELEASE,
        "app.kubernetes.io/component": component,
    }
    return Place(labels, namespace)


def matches(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    """Whether an equality-based selector selects; an empty one selects all."""
    if selector is None:
        return False
    assert set(selector) <= {"matchLabels"}
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def is_peer(peer: dict[str, Any], place: Place, policy_namespace: str) -> bool:
    if "ipBlock" in peer:
        if not place.address:
            return False
        address = ipaddress.ip_address(place.address)
        block = peer["ipBlock"]
        excepted = [ipaddress.ip_network(net) for net in block.get("except", [])]
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in net for net in excepted
        )
    if place.address:
        return False
    if "namespaceSelector" in peer:
        names = {"kubernetes.io/metadata.name": place.namespace}
        if not matches(peer["namespaceSelector"], names):
            return False
    elif place.namespace != policy_namespace:
        return False
    return "podSelector" not in peer or matches(peer["podSelector"], place.labels)


def allows(
    rules: list[dict[str, Any]], side: str, place: Place, port: int | str, home: str
) -> bool:
    """Whether one of the rules (`side` is `from` or `to`) covers the place and the TCP port.

    A port is a number or a name, and a rule has to speak of it by the same.
    """
    for rule in rules:
        ports = rule.get("ports")
        covered = ports is None or any(
            entry.get("port", port) == port and entry.get("protocol", "TCP") == "TCP"
            for entry in ports
        )
        peers = rule.get(side)
        # Without peers a rule covers everyone.
        if covered and (not peers or any(is_peer(peer, place, home) for peer in peers)):
            return True
    return False


def reaches(policies: list[Manifest], source: Place, target: Place, port: int | str) -> bool:
    """Whether a connection from the one to the other's port is let out and let in."""
    return _passes(policies, "Egress", source, target, port) and _passes(
        policies, "Ingress", target, source, port
    )


def _passes(policies: list[Manifest], way: str, at: Place, other: Place, port: int | str) -> bool:
    if at.address:
        return True
    selecting = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == at.namespace
        and way in policy["spec"]["policyTypes"]
        and matches(policy["spec"]["podSelector"], at.labels)
    ]
    side = "to" if way == "Egress" else "from"
    return not selecting or any(
        allows(policy["spec"].get(way.lower()) or [], side, other, port, at.namespace)
        for policy in selecting
    )
