"""Known holes stop a release; what cannot be found out is no pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from supply_chain import __main__ as command
from supply_chain import accepted
from supply_chain.accepted import Accepted
from supply_chain.advisories import Verdict, check
from supply_chain.components import Component, everything
from supply_chain.osv import Osv
from tests.support.server_processes import free_port
from tests.unit.supply_chain.stand_in import AT_ONCE, StandIn, running

TODAY = date(2026, 11, 28)
V3_CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V3_LOW = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"
V4_HIGH = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N"
REASON = "It is reached by nobody, as the words here say at some length."


@pytest.fixture
def osv() -> Iterator[StandIn]:
    with running(StandIn()) as started:
        yield started


def package(name: str = "pillow", version: str = "1.0") -> Component:
    return Component(name, version, "api.txt", "PyPI", name)


def entry(**changes: Any) -> Accepted:
    values = {
        "component": "pillow",
        "version": "1.0",
        "ids": ("GHSA-1",),
        "reason": REASON,
        "looked_at": date(2026, 11, 1),
        "until": date(2027, 1, 1),
    }
    return Accepted.model_validate(values | changes)


def asked(
    osv: StandIn, *components: Component, listed: tuple[Accepted, ...] = ()
) -> tuple[Verdict, list[str]]:
    said: list[str] = []
    verdict = check(components, listed, Osv(osv.url), on=TODAY, say=said.append)
    return verdict, said


def hole(**members: Any) -> dict[str, Any]:
    return {"id": "GHSA-1", "modified": "2026-01-01T00:00:00Z", "summary": "Overflow"} | members


def test_what_nothing_is_known_of_passes(osv: StandIn) -> None:
    verdict, said = asked(osv, package())
    assert verdict is Verdict.CLEAN
    assert said == ["1 versions compared: 0 advisories, 0 refused"]


@pytest.mark.parametrize(
    ("members", "verdict"),
    [
        ({"database_specific": {"severity": "CRITICAL"}}, Verdict.REFUSED),
        ({"database_specific": {"severity": "HIGH"}}, Verdict.REFUSED),
        ({"database_specific": {"severity": "MODERATE"}}, Verdict.CLEAN),
        ({"database_specific": {"severity": "LOW"}}, Verdict.CLEAN),
        ({"severity": [{"type": "CVSS_V3", "score": V3_CRITICAL}]}, Verdict.REFUSED),
        ({"severity": [{"type": "CVSS_V3", "score": V3_LOW}]}, Verdict.CLEAN),
        ({"severity": [{"type": "CVSS_V4", "score": V4_HIGH}]}, Verdict.REFUSED),
        ({"affected": [{"ecosystem_specific": {"severity": "HIGH"}}]}, Verdict.REFUSED),
        # Nobody says how bad it is.
        ({}, Verdict.REFUSED),
        ({"severity": [{"type": "CVSS_V3", "score": "nonsense"}]}, Verdict.REFUSED),
        ({"severity": [{"type": "NEW", "score": "1"}]}, Verdict.REFUSED),
        ({"withdrawn": "2026-02-01T00:00:00Z"}, Verdict.CLEAN),
    ],
)
def test_high_and_critical_and_untold_ones_are_refused(
    osv: StandIn, members: dict[str, Any], verdict: Verdict
) -> None:
    osv.knows("pillow", "1.0", hole(**members))
    assert asked(osv, package())[0] is verdict
    assert asked(osv, package(version="1.1"))[0] is Verdict.CLEAN


def test_how_bad_it_is_may_be_told_by_another_name_of_it(osv: StandIn) -> None:
    osv.knows("pillow", "1.0", hole(id="PYSEC-1", aliases=["CVE-1", "GHSA-1"]))
    osv.records["GHSA-1"] = hole(database_specific={"severity": "LOW"})
    assert asked(osv, package())[0] is Verdict.CLEAN


def test_every_page_is_read(osv: StandIn) -> None:
    low = {"database_specific": {"severity": "LOW"}}
    osv.knows("pillow", "1.0", *(hole(id=f"GHSA-{n}", **low) for n in range(4)))
    osv.knows("pillow", "1.0", hole(id="GHSA-last", database_specific={"severity": "HIGH"}))
    verdict, said = asked(osv, package(), package("motor"))
    assert verdict is Verdict.REFUSED
    assert [line for line in said if line.startswith("REFUSED")] == [
        "REFUSED: pillow 1.0 (api.txt): high: GHSA-last: Overflow"
    ]
    assert osv.batches == [2, 1, 1]


def test_no_batch_is_larger_than_osv_takes(osv: StandIn) -> None:
    many = [package(f"p{number}") for number in range(AT_ONCE + 1)]
    osv.knows(f"p{AT_ONCE}", "1.0", hole())
    assert asked(osv, *many)[0] is Verdict.REFUSED
    assert osv.batches == [AT_ONCE, 1]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.CLEAN),
        ({"ids": ("CVE-7",)}, Verdict.CLEAN),
        ({"ids": ("*",)}, Verdict.CLEAN),
        ({"ids": ("GHSA-2",)}, Verdict.REFUSED),
        ({"version": "1.1"}, Verdict.REFUSED),
        ({"component": "motor"}, Verdict.REFUSED),
        ({"until": date(2026, 11, 28)}, Verdict.CLEAN),
        ({"until": date(2026, 11, 27)}, Verdict.REFUSED),
    ],
)
def test_what_is_accepted_passes_by_its_name_and_for_its_time(
    osv: StandIn, changes: dict[str, Any], verdict: Verdict
) -> None:
    osv.knows("pillow", "1.0", hole(aliases=["CVE-7"], database_specific={"severity": "HIGH"}))
    assert asked(osv, package(), listed=(entry(**changes),))[0] is verdict


def test_what_has_run_out_is_refused_though_osv_knows_nothing_of_it(osv: StandIn) -> None:
    triton = Component("NVIDIA Triton", "2.51.0", "images")
    over = entry(component="NVIDIA Triton", version="2.51.0", until=date(2026, 11, 27))
    verdict, said = asked(osv, triton, listed=(over,))
    assert verdict is Verdict.REFUSED
    assert said[0] == "REFUSED: NVIDIA Triton 2.51.0 was accepted until 2026-11-27"
    assert said[1].startswith("not in OSV")


@pytest.mark.parametrize(
    "changes", [{"until": date(2027, 11, 1)}, {"until": date(2026, 10, 1)}, {"reason": "why not"}]
)
def test_nothing_is_accepted_for_good_or_without_a_reason(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        entry(**changes)


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_an_osv_that_fails_is_no_pass(osv: StandIn, status: int) -> None:
    osv.fails = status
    verdict, said = asked(osv, package())
    assert verdict is Verdict.NOT_KNOWN
    assert said[-1].startswith(f"NOT KNOWN: {osv.url}/v1/querybatch answered {status}.")
    assert said[-1].endswith("1 versions were not compared; this is no pass.")


def test_an_advisory_that_cannot_be_read_is_no_pass(osv: StandIn) -> None:
    osv.ids["PyPI", "pillow", "1.0"] = ["GHSA-gone"]
    assert asked(osv, package())[0] is Verdict.NOT_KNOWN


def test_the_command_ends_as_the_check_does(
    osv: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    empty = tmp_path / "accepted.toml"
    empty.write_text("")

    def run(address: str) -> int:
        arguments = ["advisories", "--osv", address, "--accepted", str(empty)]
        monkeypatch.setattr("sys.argv", ["supply_chain", *arguments])
        return command.main()

    assert run(osv.url) == 0
    assert f"{sum(osv.batches)} versions compared" in capsys.readouterr().out
    (pillow, *_) = [one for one in everything() if one.name == "pillow"]
    osv.knows("pillow", pillow.version, hole(database_specific={"severity": "CRITICAL"}))
    assert run(osv.url) == 1
    assert f"REFUSED: {pillow}: critical: GHSA-1: Overflow" in capsys.readouterr().out
    assert run(f"http://127.0.0.1:{free_port()}") == 3
    assert "NOT KNOWN" in capsys.readouterr().out


def test_every_server_is_known_to_osv_or_said_not_to_be() -> None:
    unknown = {component.name for component in everything() if not component.ecosystem}
    assert unknown == {"NVIDIA Triton"}


def test_the_list_is_whole() -> None:
    assert accepted.read()
