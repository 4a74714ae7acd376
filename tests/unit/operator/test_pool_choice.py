"""Which replica a job is sent to: by mode, size, readiness and free slots."""

from __future__ import annotations

import asyncio
from typing import Any

from imagerift_core.modes import load_modes
from imagerift_core.resources import TritonPoolSpec
from imagerift_operator.pools import CONTROL_MODEL, Pool, Pools, Replica

from tests.unit.operator.builders import isolation, taken_slots

NOTHING: Any = None
LOADED = [CONTROL_MODEL, "generate"]


def add_pool(pools: Pools, name: str, *replicas: Replica, sizes: list[str] | None = None) -> None:
    values = {"endpoint": "http://127.0.0.1:1", "modes": ["style"], "exportSizes": sizes or []}
    spec = TritonPoolSpec.model_validate(values)
    pools._pools[name] = Pool(
        name, f"uid-{name}", 1, spec, {str(n): r for n, r in enumerate(replicas)}
    )


def replica(*, models: list[str], busy: int = 0) -> Replica:
    return Replica(NOTHING, NOTHING, taken_slots(busy, of=4), models)


def test_sizes_divide_jobs_between_pools() -> None:
    pools = Pools(NOTHING, load_modes(), changed=asyncio.Event(), isolated=isolation("pools"))
    add_pool(pools, "small", replica(models=LOADED), sizes=["base", "2k"])
    add_pool(pools, "large", replica(models=LOADED), sizes=["4k"])
    serving = {choice.pool: choice.targets for choice in pools.choose()}
    small = {f"{p}/style/{s}" for p in ("*", "small") for s in ("base", "2k")}
    large = {"*/style/4k", "large/style/4k"}
    assert serving["small"] == small | {f"{target}/aspects" for target in small}
    assert serving["large"] == large | {f"{target}/aspects" for target in large}


def test_a_replica_without_the_model_or_a_slot_is_not_chosen_and_the_freest_comes_first() -> None:
    pools = Pools(NOTHING, load_modes(), changed=asyncio.Event(), isolated=isolation("pools"))
    loading, full = replica(models=[CONTROL_MODEL]), replica(models=LOADED, busy=4)
    some, most = replica(models=LOADED, busy=3), replica(models=LOADED, busy=1)
    add_pool(pools, "mixed", loading, full, some)
    add_pool(pools, "other", most)
    assert [choice.replica for choice in pools.choose()] == [most, some]


def test_what_a_replica_serves_follows_its_models() -> None:
    pools = Pools(NOTHING, load_modes(), changed=asyncio.Event(), isolated=isolation("pools"))
    one = replica(models=[CONTROL_MODEL])
    add_pool(pools, "pool", one)
    assert pools.choose() == []
    one.models = LOADED
    assert "*/style/base" in pools.choose()[0].targets
    one.models = []
    assert pools.choose() == []


def resource(uid: str, **spec: Any) -> dict[str, Any]:
    values = {"endpoint": "http://127.0.0.1:1", "modes": ["style"]} | spec
    return {"metadata": {"name": "pool", "uid": uid, "generation": 1}, "spec": values}


async def test_the_late_news_of_a_deletion_is_not_that_of_the_pool_that_took_the_name() -> None:
    pools = Pools(NOTHING, load_modes(), changed=asyncio.Event(), isolated=isolation("pools"))
    await pools.observe(resource("old"))
    await pools.observe(resource("new"))
    await pools.remove("pool", "old")
    assert [pool.uid for pool in pools] == ["new"]
    await pools.remove("pool", "new")
    assert list(pools) == []
