"""Why a job waits, from what the pools' replicas say."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from imagerift_core.modes import load_modes
from imagerift_core.resources import TritonPoolSpec
from imagerift_operator.pools import CONTROL_MODEL, Pool, Pools, Replica

from tests.unit.operator.builders import isolation, taken_slots

NOTHING: Any = None


@pytest.mark.parametrize(
    ("models", "busy", "reason"),
    [
        ([], 0, "pool_unavailable"),
        ([CONTROL_MODEL], 0, "model_loading"),
        ([CONTROL_MODEL, "generate"], 1, "waiting_for_slot"),
        ([CONTROL_MODEL, "generate"], 0, "waiting_for_turn"),
    ],
)
def test_the_reason_is_what_the_pool_lacks(models: list[str], busy: int, reason: str) -> None:
    pools = Pools(NOTHING, load_modes(), changed=asyncio.Event(), isolated=isolation("pools"))
    replica = Replica(NOTHING, NOTHING, taken_slots(busy, of=1), models)
    spec = TritonPoolSpec(
        endpoint="http://127.0.0.1:1",
        slots_per_replica=1,
        modes=["style"],
        export_sizes=["base", "2k"],
    )
    pools._pools["default"] = Pool("default", "uid", 1, spec, {"a": replica})

    assert pools.waiting_reason("*/style/2k") == reason
    assert pools.waiting_reason("*/avatar/2k") == "pool_unavailable"
    assert pools.waiting_reason("*/style/4k") == "pool_unavailable"
    assert pools.waiting_reason("other/style/2k") == "pool_unavailable"
    assert cast(str, pools.waiting_reason("default/style/2k")) == reason
    limited = "workspace_concurrency" if "generate" in models else reason
    assert pools.waiting_reason("*/style/2k", at_limit=True) == limited
