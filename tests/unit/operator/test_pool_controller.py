"""What a refused pool is told, how often it is tried again, and which servers go first."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest
from imagerift_core.kube_calls import KubeRefused, KubeUnavailable
from imagerift_core.kube_workloads import DeploymentSeen, PodSeen, Trouble
from imagerift_core.modes import load_modes
from imagerift_core.resources import TritonPoolSpec
from imagerift_operator.pool_controller import PoolController
from imagerift_operator.pool_status import template_conditions
from imagerift_operator.pools import Pool, Pools, Replica
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.weights import Weights

from tests.unit.operator.builders import START, isolation, taken_slots
from tests.unit.operator.weights_bodies import body, condition, ready

NOTHING: Any = None
REFUSAL = KubeRefused(status=422, reason="Unprocessable Entity")
REFUSAL.body = '{"kind":"Status","message":"cpu: must be less than or equal to cpu limit"}'


def pod(uid: str, *, cost: int = 0, trouble: Trouble | None = None) -> PodSeen:
    return PodSeen(
        uid=uid,
        name=f"pod-{uid}",
        address="10.0.0.1",
        running=True,
        terminating=False,
        ended=False,
        placed=True,
        unschedulable=None,
        trouble=trouble,
        deletion_cost=cost,
    )


class Cluster:
    """Stands in for the API server's workloads."""

    def __init__(self) -> None:
        self.refusal: Exception | None = None
        self.seen: list[PodSeen] = []
        self.made = DeploymentSeen(1, None)
        self.applied: list[int] = []
        self.costs: list[tuple[str, int]] = []
        self.cost_refusal: Exception | None = None

    async def pods(self, _: str) -> list[PodSeen]:
        return self.seen

    async def deployment(self, _: str) -> DeploymentSeen | None:
        return self.made

    async def apply_service(self, body: dict[str, Any]) -> None:
        pass

    async def apply_disruption_budget(self, body: dict[str, Any]) -> None:
        pass

    async def apply_deployment(self, body: dict[str, Any]) -> DeploymentSeen:
        self.applied.append(body["spec"]["replicas"])
        if self.refusal is not None:
            raise self.refusal
        return self.made

    async def set_deletion_cost(self, name: str, cost: int) -> None:
        if self.cost_refusal is not None:
            raise self.cost_refusal
        self.costs.append((name, cost))


class Lead:
    leading = True


class World:
    """One pool, its controller, and a clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **spec: Any) -> None:
        self.cluster, self.lead, self.at = Cluster(), Lead(), START
        self.weights = Weights()
        self.pools = Pools(
            NOTHING, load_modes(), changed=asyncio.Event(), isolated=isolation("pools")
        )
        self.pool = Pool("l4", "uid-1", 1, NOTHING, {})
        self.pools._pools["l4"] = self.pool
        self.controller = PoolController(
            cast(Any, self.cluster),
            self.pools,
            Scheduler(),
            cast(Any, self.lead),
            isolation(),
            s3_origin="s3",
            weights=self.weights,
        )
        monkeypatch.setattr("imagerift_operator.pool_controller.now", lambda: self.at)
        self.give(**spec)

    def give(self, **spec: Any) -> None:
        template = {"image": "triton:1", "maxReplicas": 8} | spec.pop("template", {})
        values = {"modes": ["style"], "template": template} | spec
        self.pool.spec = TritonPoolSpec.model_validate(values)

    async def follow(self, seconds: float = 0) -> None:
        self.at += timedelta(seconds=seconds)
        assert self.pool.spec.template is not None
        await self.controller._follow(self.pool, self.pool.spec.template)

    def trouble(self) -> Trouble | None:
        assert self.pool.servers is not None
        return self.pool.servers.trouble


async def test_a_refused_apply_is_said_in_the_servers_words_and_tried_ever_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    world.cluster.refusal = REFUSAL
    tried: list[datetime] = []
    for _ in range(300):
        before = len(world.cluster.applied)
        await world.follow(1)
        if len(world.cluster.applied) > before:
            tried.append(world.at)
    assert world.trouble() == Trouble(
        "ApplyRefused",
        "The API server refuses the servers: cpu: must be less than or equal to cpu limit",
    )
    pauses = [(b - a).total_seconds() for a, b in pairwise(tried)]
    assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(pauses[7:]) <= {60}

    world.give(template={"image": "triton:2"})
    world.cluster.refusal = None
    await world.follow(1)
    assert world.trouble() is None


async def test_a_server_error_is_said_once_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.cluster.refusal = KubeUnavailable("answered 500", words='duplicate entries for key "A"')
    await world.follow()
    assert world.trouble() is None
    await world.follow(1)
    trouble = world.trouble()
    assert trouble is not None and trouble.reason == "ApplyRefused"
    assert "duplicate entries" in trouble.words


async def test_an_api_server_that_is_away_says_nothing_of_the_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    world.cluster.refusal = KubeUnavailable("TimeoutError")
    for _ in range(4):
        await world.follow(30)
    assert world.trouble() is None


async def test_pods_that_cannot_be_made_and_pods_that_do_not_come_up_are_the_pools_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    await world.follow()
    failed = Trouble("FailedCreate", "no PriorityClass with name none was found")
    world.cluster.made = DeploymentSeen(1, failed)
    await world.follow(1)
    assert world.trouble() == failed
    world.cluster.made = DeploymentSeen(1, Trouble("ProgressDeadlineExceeded", "timed out"))
    pull = Trouble("ImagePullBackOff", "no such image")
    world.cluster.seen = [pod("a", trouble=pull)]
    await world.follow(1)
    assert world.trouble() == pull


async def test_fields_that_the_server_has_left_out_are_why_servers_do_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    claims = "spec.template.spec.resourceClaims"
    world.cluster.made = DeploymentSeen(1, None, (claims,))
    ended = Trouble("ServerEnded", "diffusion has kind KIND_GPU but no GPUs are available")
    world.cluster.seen = [pod("a", trouble=ended)]
    await world.follow()
    trouble = world.trouble()
    assert trouble is not None
    assert trouble.reason == "FieldsNotKept"
    assert trouble.words.startswith(f"The API server has not kept {claims}:")
    # Once the server has been upgraded, what is there is said again.
    world.cluster.made = DeploymentSeen(1, None)
    await world.follow(30)
    assert world.trouble() == ended


async def test_who_does_not_lead_writes_nothing_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    world.lead.leading = False
    await world.follow()
    assert world.cluster.applied == []
    assert world.pool.servers is None


async def test_idle_servers_go_before_busy_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, replicas=4)
    world.cluster.seen = [pod("idle"), pod("was-busy", cost=2), pod("busy"), pod("as-busy", cost=1)]
    for uid, busy in {"idle": 0, "was-busy": 0, "busy": 3, "as-busy": 1}.items():
        replica = Replica(NOTHING, NOTHING, taken_slots(busy, of=4))
        world.pool.replicas[uid] = replica
    await world.follow()
    await world.follow(60)
    assert world.cluster.costs == []
    world.give(replicas=2)
    await world.follow(1)
    assert world.cluster.costs == [("pod-busy", 3), ("pod-was-busy", 0)]
    await world.follow(60)
    assert len(world.cluster.costs) == 2
    assert world.cluster.applied == [4, 4, 2, 2]


async def test_of_many_servers_only_the_busiest_are_marked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, replicas=40)
    world.cluster.seen = [pod(str(number)) for number in range(40)]
    for number in range(40):
        replica = Replica(NOTHING, NOTHING, taken_slots(number % 4, of=4))
        world.pool.replicas[str(number)] = replica
    await world.follow()
    world.give(replicas=20)
    await world.follow(1)
    assert sorted(cost for _, cost in world.cluster.costs) == [2] * 10 + [3] * 10


async def test_a_server_less_is_asked_for_even_where_none_may_be_marked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, replicas=2)
    world.cluster.seen = [pod("busy")]
    world.pool.replicas["busy"] = Replica(NOTHING, NOTHING, taken_slots(1, of=4))
    await world.follow()
    world.cluster.cost_refusal = KubeRefused(status=403, reason="Forbidden")
    world.give(replicas=1)
    await world.follow(1)
    assert world.cluster.applied == [2, 1]


async def test_a_pool_waits_for_its_weights_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, template={"weights": ["sdxl"]})
    await world.follow()
    assert world.cluster.applied == []
    trouble = world.trouble()
    assert trouble is not None and trouble.reason == "WeightsNotReady"

    downloading = condition("Ready", "False", "Downloading", "The download runs.")
    world.weights.observe(None, body(status={"conditions": [downloading]}))
    await world.follow(1)
    assert world.cluster.applied == [] and world.trouble() is None
    said = conditions_of(world)
    assert said["Ready"][:2] == ("False", "WaitingForWeights")
    assert said["Progressing"][:2] == ("True", "WaitingForWeights")
    assert said["WeightsReady"][:2] == ("False", "WeightsNotReady")
    assert "The download runs." in said["Ready"][2]

    world.weights.observe(None, body(status=ready()))
    await world.follow(1)
    assert world.cluster.applied == [1]
    assert conditions_of(world)["WeightsReady"][:2] == ("True", "Ready")


async def test_servers_that_are_there_stay_as_they_are_while_weights_are_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, template={"weights": ["sdxl"]})
    world.weights.observe(None, body(status=ready()))
    await world.follow()
    assert world.cluster.applied == [1]
    world.cluster.seen = [pod("a")]
    world.weights.observe(None, body())
    world.give(template={"weights": ["sdxl"], "image": "triton:2"})
    await world.follow(60)
    assert world.cluster.applied == [1]
    world.weights.observe(None, body(status=ready()))
    await world.follow(1)
    assert world.cluster.applied == [1, 1]


def conditions_of(world: World) -> dict[str, tuple[str, str, str]]:
    told = template_conditions(world.pool.servers, ready=0)
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in told}
