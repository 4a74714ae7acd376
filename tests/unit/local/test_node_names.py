"""The node's DNS server: what it understands and what it answers."""

from __future__ import annotations

import struct

import pytest
from imagerift_node.names import build_answer, known_names, parse_question


def query(name: str, kind: int = 1, flags: int = 0x0100) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return (
        struct.pack("!HHHHHH", 7, flags, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)
    )


def test_a_query_is_read_in_lower_case() -> None:
    question = parse_question(query("Api.Imagerift.svc.cluster.local", kind=28))
    assert (question.identifier, question.name) == (7, "api.imagerift.svc.cluster.local")
    assert question.kind == 28


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\0" * 12,
        query("a", flags=0x8180),
        query("a")[:-5],
        b"\0" * 4 + b"\0\1" + b"\xc0" * 20,
    ],
)
def test_what_is_no_query_is_refused(packet: bytes) -> None:
    with pytest.raises(ValueError, match=r"query|pointer"):
        parse_question(packet)


def test_an_answer_repeats_the_question_and_holds_each_address() -> None:
    question = parse_question(query("a.b"))
    answer = build_answer(question, 0, ["10.96.0.7", "10.96.0.8"])
    identifier, flags, questions, records, *_ = struct.unpack_from("!HHHHHH", answer)
    assert (identifier, flags, questions, records) == (7, 0x8500, 1, 2)
    assert answer[12 : 12 + len(question.encoded)] == question.encoded
    assert answer.endswith(bytes([10, 96, 0, 8]))


def test_another_type_of_a_known_name_has_no_records_and_is_no_error() -> None:
    answer = build_answer(parse_question(query("a.b", kind=28)), 0, ["10.96.0.7"])
    assert struct.unpack_from("!HHHH", answer)[1:] == (0x8500, 1, 0)


def test_services_have_their_address_and_headless_ones_their_pods() -> None:
    services = [
        {"metadata": {"name": "api", "namespace": "n"}, "spec": {"clusterIP": "10.96.1.1"}},
        {"metadata": {"name": "db", "namespace": "n"}, "spec": {"clusterIP": "None"}},
        {"metadata": {"name": "outside", "namespace": "n"}, "spec": {"externalName": "x.example"}},
    ]
    ready = [{"ip": "10.88.0.4", "hostname": "db-0"}, {"ip": "10.88.0.5"}]
    endpoints = [
        {"metadata": {"name": "db", "namespace": "n"}, "subsets": [{"addresses": ready}]},
        {"metadata": {"name": "api", "namespace": "n"}, "subsets": [{"addresses": ready}]},
    ]
    assert known_names(services, endpoints) == {
        "api.n.svc.cluster.local": ("10.96.1.1",),
        "db.n.svc.cluster.local": ("10.88.0.4", "10.88.0.5"),
        "db-0.db.n.svc.cluster.local": ("10.88.0.4",),
    }
