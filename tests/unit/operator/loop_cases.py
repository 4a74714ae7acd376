"""A case for everything that a loop does to many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

from imagerift_core.clock import now
from imagerift_core.clock_watch import ClockWatch
from imagerift_core.job_pods import JobPods
from imagerift_core.kube_events import Regarding
from imagerift_core.kube_job_pods import RunSeen
from imagerift_core.modes import load_modes
from imagerift_core.mongo.settlement import GroupResult
from imagerift_core.resources import TritonPoolSpec
from imagerift_core.tenant_resources import API_KEYS, FINALIZER, WORKSPACES
from imagerift_operator.events import EventWriter
from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_pod_server import JobPodServer
from imagerift_operator.pool_controller import PoolController
from imagerift_operator.pool_objects import selector
from imagerift_operator.pool_status import PoolReporter, ReportedStatus
from imagerift_operator.pools import Pool, Pools, Replica
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.settler import Settler
from imagerift_operator.slots import Slots
from imagerift_operator.status_writer import StatusWriter
from imagerift_operator.tenants.controller import TenantController
from imagerift_operator.tenants.objects import TenantObjects
from imagerift_operator.tenants.status import Outcome, ready
from imagerift_operator.weights import Weights
from imagerift_operator.weights_controller import WeightsController
from imagerift_operator.weights_status import Found

from tests.support.members import MEMBERS, Members
from tests.unit.operator.builders import isolation
from tests.unit.operator.member_cases import (
    LEADS,
    NOTHING,
    Cases,
    bodies,
    calls,
    ended,
    memory_of,
    returning,
)
from tests.unit.operator.test_dispatcher import Shard
from tests.unit.operator.weights_bodies import body

CASES = Cases()


@CASES.of("settler", grouped=True)
async def attempts_are_settled(members: Members) -> None:
    async def settle(group: list[Any], **_: Any) -> GroupResult:
        members.serve(group[0].job_id)
        return GroupResult()

    settler = Settler(cast(Any, calls(settle=settle)), MagicMock(), group_size=1)
    waiting = [
        asyncio.create_task(settler.settle(cast(Any, SimpleNamespace(job_id=member))))
        for member in MEMBERS
    ]
    await members.while_running(settler.run())
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def pools_of(ask: Callable[[str], Awaitable[Any]], report: Any) -> Pools:
    pools = Pools(report, load_modes(), changed=asyncio.Event(), isolated=isolation())
    spec = TritonPoolSpec.model_validate({"modes": ["style"], "endpoint": "http://10.0.0.1:1"})
    for member in MEMBERS:

        async def ready_models(_: object, member: str = member) -> list[str]:
            await ask(member)
            return []

        server = cast(Any, calls(ready_models=ready_models))
        replica = Replica(server, NOTHING, Slots(1))
        pools._pools[member] = Pool(member, f"uid-{member}", 1, spec, {"a": replica})
    return pools


@CASES.of("pools")
async def pools_are_probed(members: Members) -> None:
    await members.while_running(pools_of(members.act, MagicMock(report=AsyncMock())).run())


@CASES.of("pools")
async def replicas_of_a_pool_are_probed(members: Members) -> None:
    pools = pools_of(members.act, MagicMock(report=AsyncMock()))
    first, *others = pools
    for pool in others:
        first.replicas |= {pool.name: pool.replicas["a"]}
        del pools._pools[pool.name]
    await members.while_running(pools.run())


@CASES.of("pools")
async def pools_are_reported(members: Members) -> None:
    async def report(status: ReportedStatus, *_: object) -> None:
        members.serve(status.name)

    await members.while_running(pools_of(AsyncMock(), calls(report=report)).run())


@CASES.of("pool reports")
async def statuses_of_pools_are_written(members: Members) -> None:
    kube = cast(Any, calls(patch_pool_status=members.act))
    reporter = PoolReporter(kube, MagicMock(), LEADS, isolation())
    await members.while_running(pools_of(AsyncMock(), reporter).run())


@CASES.of("pool servers")
async def pools_are_followed(members: Members) -> None:
    names = {selector(member): member for member in MEMBERS}

    async def pods(asked: str) -> list[Any]:
        members.serve(names[asked])
        return []

    pools = pools_of(AsyncMock(), NOTHING)
    for pool in pools:
        pool.spec = TritonPoolSpec.model_validate(
            {"modes": ["style"], "template": {"image": "triton:1"}}
        )
    stands_by = cast(Any, SimpleNamespace(leading=False))
    workloads = cast(Any, calls(pods=pods))
    controller = PoolController(
        workloads,
        pools,
        Scheduler(),
        stands_by,
        isolation(),
        s3_origin="http://s3",
        weights=Weights(),
    )
    await members.while_running(controller.run())


@CASES.of("weights")
async def weights_are_looked_at(members: Members) -> None:
    weights, downloads = Weights(), MagicMock()
    for member in MEMBERS:
        weights.observe(None, body(member))

    async def found(seen: Any) -> Found:
        members.serve(seen.name)
        return Found("Pending", "It waits.", waits=True)

    downloads.found = found
    kube = cast(Any, calls(patch_weights_status=returning(None)))
    controller = WeightsController(
        kube,
        weights,
        pools_of(AsyncMock(), NOTHING),
        downloads,
        LEADS,
        isolated=isolation(),
        events=MagicMock(),
    )
    await members.while_running(controller.run())


@CASES.of("job pods")
async def job_pods_are_swept(members: Members) -> None:
    seen = [RunSeen(member, "uid", now() - timedelta(hours=1), None) for member in MEMBERS]
    runs = cast(Any, calls(runs=returning(seen), not_kept=returning([]), delete=members.act))
    pods = JobPods(namespace="runners", image="runner:1")
    server = JobPodServer(
        runs, pods, isolation(), NOTHING, shard="imagerift", s3_origin="http://s3"
    )
    await members.while_running(server.run(lambda: True))


@CASES.of("dispatcher")
async def jobs_are_claimed(members: Members) -> None:
    shard = Shard()

    async def claim(entry: JobEntry, _: str) -> None:
        members.serve(entry.job_id)

    shard.claim = claim  # type: ignore[method-assign]
    for member in MEMBERS:
        shard.queue(member)
    await members.while_running(shard.dispatcher.run())
    shard.memory.in_flight.abandon()


@CASES.of("events")
async def events_are_written(members: Members) -> None:
    async def create(_name: str, regarding: Regarding, **_: Any) -> bool:
        members.serve(regarding.name)
        return True

    writer = EventWriter(cast(Any, calls(create=create)), MagicMock(), identity="operator-1")
    for member in MEMBERS:
        writer.tell(Regarding("GenerationJob", member, f"uid-{member}"), "Warning", "Some", "words")
    await members.while_running(writer.run())


@CASES.of("deletions")
async def ended_resources_are_deleted(members: Members) -> None:
    index = memory_of(*bodies(status=ended())).index
    writer = StatusWriter(
        cast(Any, calls(delete_job=members.act)),
        index,
        MagicMock(),
        MagicMock(),
        MagicMock(),
        deletions=isolation(),
    )
    for entry in index:
        writer.delete_later(entry)
    await members.while_running(writer.run(lambda: True))


@CASES.of("clocks")
async def clocks_are_read(members: Members) -> None:
    def reader(member: str) -> Any:
        async def read() -> Any:
            members.serve(member)
            return now()

        return read

    await members.while_running(ClockWatch({member: reader(member) for member in MEMBERS}).run())


@CASES.of("tenants")
async def tenants_are_kept(members: Members) -> None:
    async def keep(body: dict[str, Any]) -> Outcome:
        members.serve(body["metadata"]["name"])
        return Outcome([ready("Open", "It is there.")])

    keeper = calls(keep=keep)
    controller = TenantController(
        {WORKSPACES: keeper, API_KEYS: keeper},
        TenantObjects(),
        cast(Any, calls(write_status=returning(None))),
        cast(Any, SimpleNamespace(leading=True, on_lead=lambda _: None)),
        isolation("tenants"),
    )
    for member in MEMBERS:
        metadata = {"name": member, "uid": f"uid-{member}", "finalizers": [FINALIZER]}
        controller.observe(None, WORKSPACES, {"metadata": metadata})
    await members.while_running(controller.run())
