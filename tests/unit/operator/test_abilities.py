"""What model servers say that they can do: which jobs they get, and what the API offers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

import pytest
from imagerift_core.modes import load_modes
from imagerift_core.mongo.scheduler_snapshot import ServedMode
from imagerift_core.resources import TritonPoolSpec, build_generation_job
from imagerift_core.triton import TritonUnavailable
from imagerift_operator.abilities import (
    ANYTHING,
    Abilities,
    abilities_of,
    intended_targets,
    possible_targets,
)
from imagerift_operator.job_entry import entry_of
from imagerift_operator.pools import CONTROL_MODEL, Pool, Pools, Replica
from imagerift_operator.served_modes import served_modes

from tests.unit.operator.builders import isolation, make_record, taken_slots

NOTHING: Any = None
SPEC = TritonPoolSpec.model_validate(
    {"endpoint": "http://127.0.0.1:1", "modes": ["style", "edit"], "exportSizes": ["base"]}
)
SEVERAL, ONE = ServedMode(), ServedMode(one_aspect=True)
PLAIN = {f"{pool}/{mode}/base" for pool in ("*", "gpu") for mode in ("style", "edit")}


def replica(abilities: Abilities | None, *, draining: bool = False) -> Replica:
    models = [CONTROL_MODEL, "generate"]
    slots = taken_slots(0, of=1)
    return Replica(NOTHING, NOTHING, slots, models, draining=draining, abilities=abilities)


def pool(*replicas: Replica, spec: TritonPoolSpec = SPEC) -> Pool:
    return Pool("gpu", "uid", 1, spec, {str(n): one for n, one in enumerate(replicas)})


def test_a_server_that_says_nothing_is_believed_to_do_what_its_pool_is_for() -> None:
    targets = intended_targets("gpu", SPEC, SPEC.modes)
    assert targets == PLAIN | {f"{target}/aspects" for target in PLAIN}


def test_a_server_gets_no_mode_that_it_cannot_do_and_no_aspects_that_it_draws_anew() -> None:
    told = {"style": ONE, "edit": None, "avatar": SEVERAL}
    assert replica(told).targets("gpu", SPEC, load_modes()) == {"*/style/base", "gpu/style/base"}
    assert "*/style/base/aspects" in replica({"style": SEVERAL}).targets("gpu", SPEC, load_modes())


def test_a_pool_is_for_what_one_of_its_servers_may_do() -> None:
    assert possible_targets("gpu", SPEC, []) == intended_targets("gpu", SPEC, SPEC.modes)
    both = [replica({"style": ONE, "edit": None}), replica({"style": None})]
    targets = possible_targets("gpu", SPEC, both)
    assert "*/style/base" in targets and "*/style/base/aspects" not in targets
    assert "*/edit/base/aspects" in targets
    assert "*/edit/base" not in possible_targets("gpu", SPEC, both[:1])


def outputs(*aspects: str) -> dict[str, Any]:
    resource = build_generation_job(make_record())
    resource["metadata"] |= {"uid": "uid-1", "creationTimestamp": "2026-11-22T12:00:00Z"}
    resource["spec"]["outputs"] = [{"aspect": aspect} for aspect in aspects]
    return resource


def test_a_job_of_several_aspects_asks_for_a_server_that_makes_them_of_one_seed() -> None:
    assert entry_of(outputs("1:1", "9:16")).target == "*/style/base/aspects"
    assert entry_of(outputs("1:1", "1:1")).target == "*/style/base"
    # What is left out is the source's own.
    resource = outputs("source", "1:1")
    del resource["spec"]["outputs"][0]["aspect"]
    assert entry_of(resource).target == "*/style/base/aspects"


def test_the_api_is_told_what_any_pool_may_do() -> None:
    modes = load_modes()
    assert served_modes([], modes) == {}
    # Scaled to none, or not there yet: jobs wait for it.
    assert served_modes([pool()], modes) == {"style": ANYTHING, "edit": ANYTHING}
    drawn = pool(replica({"style": ONE, "edit": None}))
    assert served_modes([drawn], modes) == {"style": ONE}
    other = pool(replica({"style": SEVERAL, "edit": None}))
    assert served_modes([drawn, other], modes) == {"style": SEVERAL}
    assert served_modes([other, drawn], modes) == {"style": SEVERAL}
    # Of what a server says nothing, it is believed.
    assert served_modes([pool(replica({}))], modes) == {"style": ANYTHING, "edit": ANYTHING}
    more = pool(replica({"style": ServedMode(references=2, one_aspect=True), "edit": None}))
    assert served_modes([more, other], modes) == {"style": ServedMode(references=2)}
    going = pool(replica({"style": ONE, "edit": None}), replica(None, draining=True))
    assert served_modes([going], modes) == {"style": ONE}
    assert served_modes([pool(replica(None))], {}) == {}


class Server:
    """A model server whose `control` says this."""

    def __init__(self, told: Any) -> None:
        self.told = told

    async def abilities(self) -> Any:
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (None, None),
        ({}, {}),
        ({"style": {"oneAspect": True}, "edit": None}, {"style": ONE, "edit": None}),
        ({"style": "well", "edit": {"oneAspect": "yes"}}, {"style": SEVERAL, "edit": SEVERAL}),
        ({"style": {"references": 2}}, {"style": ServedMode(references=2)}),
        ({"style": {"references": 9}}, {"style": ServedMode(references=3)}),
        (
            {"style": {"references": -1}, "edit": {"references": True}},
            {"style": SEVERAL, "edit": SEVERAL},
        ),
    ],
)
async def test_what_a_server_tells_is_read_and_what_it_does_not_is_unknown(
    told: Any, known: Any
) -> None:
    assert await abilities_of(Server(told)) == known


async def test_a_server_that_cannot_be_asked_is_not_ready_and_is_asked_again() -> None:
    class Starting(Server):
        async def ready_models(self, _names: object) -> list[str]:
            return [CONTROL_MODEL, "generate"]

    server = Starting(TritonUnavailable("gone", sent=True))
    one = Replica(cast(Any, server), NOTHING, taken_slots(0, of=1))
    pools = Pools(
        cast(Any, SimpleNamespace(report=AsyncMock(), loaded=MagicMock())),
        load_modes(),
        changed=asyncio.Event(),
        isolated=isolation("pools"),
    )
    pools._pools["gpu"] = pool(one)
    await pools.probe()
    assert not one.ready
    server.told = {"edit": None}
    await pools.probe()
    assert one.ready
    assert [choice.targets for choice in pools.serving()] == [
        {"*/style/base", "gpu/style/base", "*/style/base/aspects", "gpu/style/base/aspects"}
    ]
    # Once is enough while it stays.
    server.told = TritonUnavailable("gone", sent=True)
    await pools.probe()
    assert one.ready
