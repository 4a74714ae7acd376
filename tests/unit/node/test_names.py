"""The node's DNS server: what it understands and what it answers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from dnslib import QTYPE, RCODE, DNSRecord
from imagerift_node.names import ClusterNames, ClusterResolver, known_names
from kubernetes.client import (
    V1EndpointAddress,
    V1Endpoints,
    V1EndpointSubset,
    V1ObjectMeta,
    V1Service,
    V1ServiceSpec,
)
from kubernetes.client.exceptions import ApiException


class Known(ClusterNames):
    """A cluster with these names; without any it does not answer."""

    def __init__(self, names: Mapping[str, tuple[str, ...]] | None) -> None:
        super().__init__(None)
        self.known = names

    def get(self) -> Mapping[str, tuple[str, ...]]:
        if self.known is None:
            raise ApiException(status=500)
        return self.known


def answer(names: Mapping[str, tuple[str, ...]] | None, name: str, kind: str = "A") -> DNSRecord:
    """What a caller reads from the packet that answers the query."""
    query = DNSRecord.parse(DNSRecord.question(name, kind).pack())
    reply = DNSRecord.parse(ClusterResolver(Known(names)).resolve(query, None).pack())
    assert reply.header.id == query.header.id
    assert (reply.header.qr, reply.header.aa, reply.header.ra) == (1, 1, 0)
    return reply


def addresses(reply: DNSRecord) -> list[str]:
    return [str(record.rdata) for record in reply.rr]


def test_an_answer_holds_each_address_whatever_the_case_of_the_name() -> None:
    names = {"api.n.svc.cluster.local": ("10.96.0.7", "10.96.0.8")}
    reply = answer(names, "Api.N.svc.cluster.local")
    assert (reply.header.rcode, addresses(reply)) == (RCODE.NOERROR, ["10.96.0.7", "10.96.0.8"])
    assert {record.rtype for record in reply.rr} == {QTYPE.A}
    assert {record.ttl for record in reply.rr} == {2}


def test_another_type_of_a_known_name_has_no_records_and_is_no_error() -> None:
    reply = answer({"a.b": ("10.96.0.7",)}, "a.b", "AAAA")
    assert (reply.header.rcode, addresses(reply)) == (RCODE.NOERROR, [])


def test_an_unknown_name_is_no_name() -> None:
    assert answer({}, "a.b").header.rcode == RCODE.NXDOMAIN


def test_a_cluster_that_does_not_answer_is_the_servers_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert answer(None, "a.b").header.rcode == RCODE.SERVFAIL
    assert "500" in capsys.readouterr().err


def test_services_have_their_address_and_headless_ones_their_pods() -> None:
    def meta(name: str) -> V1ObjectMeta:
        return V1ObjectMeta(name=name, namespace="n")

    services = [
        V1Service(metadata=meta("api"), spec=V1ServiceSpec(cluster_ip="10.96.1.1")),
        V1Service(metadata=meta("db"), spec=V1ServiceSpec(cluster_ip="None")),
        V1Service(metadata=meta("outside"), spec=V1ServiceSpec(external_name="x.example")),
    ]
    ready = V1EndpointSubset(
        addresses=[
            V1EndpointAddress(ip="10.88.0.4", hostname="db-0"),
            V1EndpointAddress(ip="10.88.0.5"),
        ]
    )
    endpoints = [
        V1Endpoints(metadata=meta("db"), subsets=[ready]),
        V1Endpoints(metadata=meta("api"), subsets=[ready]),
    ]
    assert known_names(services, endpoints) == {
        "api.n.svc.cluster.local": ("10.96.1.1",),
        "db.n.svc.cluster.local": ("10.88.0.4", "10.88.0.5"),
        "db-0.db.n.svc.cluster.local": ("10.88.0.4",),
    }
