"""A member that fails is set aside for a while; whatever it meets, the others go on."""

from __future__ import annotations

import pytest
from imagerift_core import isolation
from imagerift_core.isolation import AWAY_IN_A_ROW, Isolation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

MEMBERS = ["a", "b", "c", "d"]


class Away(Exception):
    """The store does not answer."""


class Refused(Away):
    """The store answers and refuses, in an error that usually says that it is away."""


class Work:
    """Members at work: what each meets, and who was tried and done."""

    def __init__(self) -> None:
        self.at = 0.0
        self.isolated = Isolation(
            "loop", away=(Away,), refused=(Refused,), monotonic=lambda: self.at
        )
        self.errors: dict[str, Exception] = {}
        self.tried: list[str] = []
        self.done: list[str] = []

    async def act(self, member: str) -> None:
        self.tried.append(member)
        if member in self.errors:
            raise self.errors[member]
        self.done.append(member)

    async def turn(self) -> list[str]:
        """Who was done in one turn, in the order in which they were tried."""
        self.tried, self.done = [], []
        await self.isolated.each(MEMBERS, self.act, id_of=str)
        return self.done

    async def group(self) -> list[list[str]]:
        async def together(members: list[str]) -> list[str]:
            self.tried += members
            for member in members:
                if member in self.errors:
                    raise self.errors[member]
            return members

        return await self.isolated.together(MEMBERS, together, id_of=str)


@pytest.mark.parametrize("error", [ValueError("broken"), Refused("no"), Away("500")])
@pytest.mark.parametrize("bad", MEMBERS)
async def test_the_others_go_on_whoever_fails(bad: str, error: Exception) -> None:
    work = Work()
    work.errors[bad] = error
    assert await work.turn() == [member for member in MEMBERS if member != bad]


async def test_one_that_is_refused_waits_from_a_minute_to_ten_and_is_forgotten_when_well() -> None:
    work = Work()
    work.errors["b"] = ValueError("broken")
    for minutes in (1, 2, 4, 8, 10, 10):
        await work.turn()
        assert "b" in work.tried
        work.at += minutes * 60 - 1
        assert await work.turn() == ["a", "c", "d"]
        assert "b" not in work.tried
        assert work.isolated.set_aside == 1
        work.at += 1
    del work.errors["b"]
    assert len(await work.turn()) == 4
    assert work.isolated.set_aside == 0


async def test_one_that_alone_finds_its_store_away_is_tried_each_time_but_last() -> None:
    work = Work()
    work.errors["a"] = Away("500")
    await work.turn()
    await work.turn()
    assert work.tried == ["b", "c", "d", "a"]
    assert work.isolated.set_aside == 0


async def test_several_in_a_row_say_that_the_store_is_away_and_the_turn_ends() -> None:
    work = Work()
    work.errors = dict.fromkeys(MEMBERS, Away("500"))
    with pytest.raises(Away):
        await work.turn()
    assert len(work.tried) == AWAY_IN_A_ROW < len(MEMBERS)


async def test_as_many_bad_ones_at_the_head_do_not_starve_the_others() -> None:
    work = Work()
    work.errors = dict.fromkeys(MEMBERS[:AWAY_IN_A_ROW], Away("500"))
    with pytest.raises(Away):
        await work.turn()
    with pytest.raises(Away):
        await work.turn()
    assert work.done == ["d"]


async def test_one_that_hangs_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "MEMBER_SECONDS", 0)
    work = Work()
    work.errors["a"] = TimeoutError()
    assert await work.turn() == ["b", "c", "d"]


@pytest.mark.parametrize("bad", MEMBERS)
async def test_a_group_is_halved_down_to_the_one_at_fault(bad: str) -> None:
    work = Work()
    work.errors[bad] = ValueError("broken")
    done = sorted(member for part in await work.group() for member in part)
    assert done == [member for member in MEMBERS if member != bad]
    work.tried = []
    await work.group()
    assert bad not in work.tried


async def test_a_group_is_not_taken_apart_while_the_store_is_away() -> None:
    work = Work()
    work.errors = dict.fromkeys(MEMBERS, Away("gone"))
    with pytest.raises(Away):
        await work.group()
    assert work.tried == MEMBERS
    assert work.isolated.set_aside == 0


async def test_the_gauge_says_how_many_are_set_aside_in_each_loop() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    isolations = isolation.Isolations(away=())
    isolations.of("bad").failed("a", ValueError("broken"))
    assert isolations.of("bad") is isolations.of("bad")
    isolations.of("good")
    isolations.show(provider.get_meter("test"))
    data = reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    shown = {
        (point.attributes or {})["loop"]: point.value  # type: ignore[union-attr]
        for point in metric.data.data_points
    }
    provider.shutdown()
    assert (metric.name, shown) == ("imagerift_set_aside", {"bad": 1, "good": 0})
