"""Ports: how they are chosen, and what is said when one is taken."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from imagerift_local.errors import PlatformError
from imagerift_local.ports import (
    NAMES,
    PART_OF_PORT,
    Ports,
    check_ports,
    choose_ports,
    chosen_ports,
    free_ports,
    is_free,
    setting_of,
)

EVERYTHING = frozenset(PART_OF_PORT.values())


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def free_plan() -> Ports:
    return Ports(**dict(zip(NAMES, free_ports(len(NAMES)), strict=True)))


def test_defaults_are_used_without_a_base(tmp_path: Path) -> None:
    assert choose_ports("", {}, tmp_path / "ports.json") == Ports()


def test_defaults_do_not_overlap() -> None:
    ports = [getattr(Ports(), name) for name in NAMES]
    assert len(set(ports)) == len(ports)


def test_a_base_gives_consecutive_ports(tmp_path: Path) -> None:
    ports = choose_ports("30000", {}, tmp_path / "ports.json")
    assert [getattr(ports, name) for name in NAMES] == list(range(30000, 30000 + len(NAMES)))


def test_a_single_port_wins_over_the_base(tmp_path: Path) -> None:
    ports = choose_ports("30000", {"triton": 4000}, tmp_path / "ports.json")
    assert (ports.triton, ports.api) == (4000, 30000)


def test_automatic_ports_are_free_and_differ(tmp_path: Path) -> None:
    ports = choose_ports("auto", {}, tmp_path / "ports.json")
    values = [getattr(ports, name) for name in NAMES]
    assert len(set(values)) == len(values)
    assert all(is_free(port) for port in values)


def test_automatic_ports_survive_a_restart(tmp_path: Path) -> None:
    saved = tmp_path / "ports.json"
    assert choose_ports("auto", {}, saved) == choose_ports("auto", {}, saved)


def test_automatic_ports_change_when_one_is_taken(tmp_path: Path, taken: int) -> None:
    saved = tmp_path / "ports.json"
    choose_ports("auto", {}, saved)
    plan = json.loads(saved.read_text())
    saved.write_text(json.dumps({**plan, "api": taken}))
    second = choose_ports("auto", {}, saved)
    # The first one is free again, and may come again by chance.
    assert second.api != taken
    assert is_free(second.api)


def test_a_damaged_port_file_is_replaced(tmp_path: Path) -> None:
    saved = tmp_path / "ports.json"
    saved.write_text("{not json")
    choose_ports("auto", {}, saved)
    assert set(json.loads(saved.read_text())) == set(NAMES)


def test_every_port_has_a_part_and_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(PART_OF_PORT) == set(NAMES)
    for offset, name in enumerate(NAMES):
        monkeypatch.setenv(setting_of(name), str(20000 + offset))
    assert chosen_ports() == {name: 20000 + n for n, name in enumerate(NAMES)}


def test_free_ports_are_accepted() -> None:
    check_ports(free_plan(), EVERYTHING)


def test_a_taken_port_is_named_with_its_part_its_taker_and_its_setting(taken: int) -> None:
    plan = free_plan().model_dump()
    with pytest.raises(PlatformError) as refusal:
        check_ports(Ports(**{**plan, "mongod": taken}), EVERYTHING)
    text = str(refusal.value)
    assert str(taken) in text
    assert "mongod" in text
    assert "IMAGERIFT_LOCAL_PORT_MONGOD" in text
    assert "pid" in text


def test_a_taken_port_of_a_part_that_is_not_started_does_not_matter(taken: int) -> None:
    plan = free_plan().model_dump()
    check_ports(Ports(**{**plan, "mongod": taken}), EVERYTHING - {"mongod"})


def test_one_port_for_two_listeners_is_refused() -> None:
    plan = free_plan().model_dump()
    with pytest.raises(PlatformError, match="both api and triton"):
        check_ports(Ports(**{**plan, "triton": plan["api"]}), EVERYTHING)
