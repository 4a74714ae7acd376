"""The pools of model servers: what they serve, whether they are ready, which slots are free."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import structlog
from imagerift_core.clock import now
from imagerift_core.isolation import Isolation
from imagerift_core.kube_workloads import Trouble
from imagerift_core.modes import Modes
from imagerift_core.mongo.scheduler_snapshot import WaitingReason
from imagerift_core.resources import TritonPoolSpec
from imagerift_core.triton import ModelServer, TritonRefused, TritonUnavailable
from pydantic import ValidationError

from imagerift_operator.abilities import Abilities, abilities_of, intended_targets, possible_targets
from imagerift_operator.job_entry import POD_TARGET
from imagerift_operator.job_pod_server import JobPodServer
from imagerift_operator.load_time import LoadTime
from imagerift_operator.model_access import NO_TOKEN, ModelAccess
from imagerift_operator.pool_objects import selector
from imagerift_operator.pool_rules import ANYTHING, PoolRules, first_fault
from imagerift_operator.pool_status import (
    Condition,
    PoolReporter,
    ReportedStatus,
    ServersSeen,
    endpoint_conditions,
    refused_conditions,
    template_conditions,
)
from imagerift_operator.slots import Slots

log = structlog.get_logger(__name__)

PROBE_SECONDS = 1.0
CONTROL_MODEL = "control"
# What the record and the status call the pool of job pods.
JOB_PODS = "job-pods"


@dataclass
class Replica:
    """One model server, and the models that it had ready when it was last asked."""

    server: ModelServer | JobPodServer
    connections: AsyncExitStack
    slots: Slots
    models: list[str] = field(default_factory=list)
    # Ends the jobs it has and gets no more.
    draining: bool = False
    load_time: LoadTime = field(default_factory=LoadTime)
    abilities: Abilities | None = None
    _targets: frozenset[str] = frozenset()
    _targets_of: tuple[object, object] = (None, None)

    @property
    def ready(self) -> bool:
        return CONTROL_MODEL in self.models

    def targets(self, pool: str, spec: TritonPoolSpec, modes: Modes) -> frozenset[str]:
        """What this replica can run now: the pool's modes whose entry model it has ready."""
        if not self.ready:
            return frozenset()
        # Asked for every job that starts, while the models change at most once a probe.
        known_models, known_spec = self._targets_of
        if known_models is not self.models or known_spec is not spec:
            loaded = [m for m in spec.modes if m in modes and modes[m].model in self.models]
            self._targets = intended_targets(pool, spec, loaded, self.abilities)
            self._targets_of = (self.models, spec)
        return self._targets

    @property
    def free(self) -> int:
        return self.slots.free if self.ready and not self.draining else 0

    def mark_lost(self) -> None:
        """Marks the server as away: nothing is sent to it until a probe finds it ready."""
        self.models = []


@dataclass
class JobPodReplica(Replica):
    """All job pods, as one replica with a slot for each: Kubernetes finds the nodes."""

    server: JobPodServer

    @property
    def ready(self) -> bool:
        return self.server.ready


@dataclass(frozen=True)
class Choice:
    """A replica, its pool's name, and what it can run now."""

    pool: str
    replica: Replica
    targets: frozenset[str]


@dataclass
class Pool:
    """A TritonPool as last seen, with its replicas by address or by their pods' uids."""

    name: str
    uid: str
    generation: int
    spec: TritonPoolSpec
    replicas: dict[str, Replica]
    # Of a pool that is made from a template, once the leader has looked.
    servers: ServersSeen | None = None

    @cached_property
    def status(self) -> ReportedStatus:
        return ReportedStatus(self.name, self.uid)

    @property
    def intended_targets(self) -> frozenset[str]:
        """What this pool runs once its models are loaded."""
        return possible_targets(self.name, self.spec, self.replicas.values())

    def serving(self, target: str, modes: Modes) -> list[Replica]:
        """The replicas that can run `target` once they have a slot free."""
        return [
            replica
            for replica in self.replicas.values()
            if not replica.draining and target in replica.targets(self.name, self.spec, modes)
        ]

    def is_loading(self, target: str) -> bool:
        """Whether a server is there or on its way that will run `target`, but cannot yet."""
        ready = sum(replica.ready for replica in self.replicas.values())
        coming = self.servers is not None and self.servers.is_coming(ready)
        return target in self.intended_targets and (coming or ready > 0)


@dataclass
class _RefusedPool:
    """A pool whose spec breaks a rule, or names what pools may not, and what is said of it."""

    generation: int
    conditions: list[Condition]
    status: ReportedStatus


class Pools:
    """Follows TritonPool resources and probes their servers.

    `changed` is set when a server came or went that may let a job start.
    """

    def __init__(
        self,
        reporter: PoolReporter,
        modes: Modes,
        *,
        changed: asyncio.Event,
        isolated: Isolation,
        rules: PoolRules = ANYTHING,
        access: ModelAccess = NO_TOKEN,
        job_pods: JobPodReplica | None = None,
    ) -> None:
        self._job_pods = job_pods
        self._reporter = reporter
        self._modes = modes
        self._changed = changed
        self._isolated = isolated
        self._rules = rules
        self.access = access
        self._pools: dict[str, Pool] = {}
        self._refused: dict[str, _RefusedPool] = {}
        self._lock = asyncio.Lock()

    def __iter__(self) -> Iterator[Pool]:
        return iter(list(self._pools.values()))

    @property
    def has_job_pods(self) -> bool:
        return self._job_pods is not None

    async def observe(self, body: dict[str, Any]) -> None:
        """Takes a pool's present state from the watch."""
        metadata = body["metadata"]
        name = metadata["name"]
        async with self._lock:
            known = self._pools.get(name)
            if known is not None and known.uid != metadata["uid"]:
                await self._drop(name)
                known = None
            refused = self._refused.pop(name, None)
            generation = metadata.get("generation", 1)
            try:
                spec = TritonPoolSpec.model_validate(body["spec"])
            except ValidationError as error:
                conditions = refused_conditions("Invalid", first_fault(error))
            else:
                words = self._rules.refusal(spec)
                conditions = [] if words is None else refused_conditions("NotAllowed", words)
            if conditions:
                await self._drop(name)
                status = ReportedStatus(name, metadata["uid"])
                if refused is not None and refused.status.uid == status.uid:
                    status = refused.status
                status.read(body)
                self._refused[name] = _RefusedPool(generation, conditions, status)
                return
            if known is None:
                known = Pool(name, metadata["uid"], generation, spec, {})
                self._pools[name] = known
                log.info("pool_seen", pool=name, modes=spec.modes, slots=spec.slots_per_replica)
            known.spec, known.generation = spec, generation
            known.status.read(body)
            for replica in known.replicas.values():
                replica.slots.asked = spec.slots_per_replica
            if spec.endpoint is not None:
                known.servers = None
                await self._set_replicas(known, {spec.endpoint: spec.endpoint})

    async def remove(self, name: str, uid: str) -> None:
        """Forgets a pool that is gone, but not another one that has its name now."""
        async with self._lock:
            known, refused = self._pools.get(name), self._refused.get(name)
            if known is not None and known.uid == uid:
                await self._drop(name)
            if refused is not None and refused.status.uid == uid:
                del self._refused[name]

    async def set_replicas(self, name: str, endpoints: dict[str, str]) -> None:
        """Takes the servers that a templated pool has now: pod uid to base address."""
        async with self._lock:
            pool = self._pools.get(name)
            if pool is not None and pool.spec.template is not None:
                await self._set_replicas(pool, endpoints)

    async def run(self) -> None:
        """Probes every replica until canceled."""
        while True:
            await self.probe()
            await asyncio.sleep(PROBE_SECONDS)

    async def probe(self) -> None:
        """Asks every replica what it has ready, all at once, and reports on every pool."""
        refused = [
            (pool.status.name, partial(self._report_refused, pool))
            for pool in self._refused.values()
        ]
        await asyncio.gather(*(self._probe(pool) for pool in self), self._isolated.at_once(refused))

    async def _probe(self, pool: Pool) -> None:
        wanted = {self._modes[mode].model for mode in pool.spec.modes if mode in self._modes}
        await self._isolated.at_once(
            (f"{pool.name}/{key}", partial(self._ask, pool, replica, {CONTROL_MODEL} | wanted))
            for key, replica in list(pool.replicas.items())
        )
        await self._isolated.at_once([(pool.name, partial(self._report, pool))])

    async def _ask(self, pool: Pool, replica: Replica, models: set[str]) -> None:
        before = replica.ready
        ready = await replica.server.ready_models(models)
        if CONTROL_MODEL in ready and not before:
            try:
                replica.abilities = await abilities_of(replica.server)
            except TritonUnavailable:
                ready = []
        replica.models = ready
        if replica.ready and not before:
            await replica.slots.learn(replica.server, models - {CONTROL_MODEL})
        seconds = replica.load_time.follow(ready=replica.ready, at=now())
        if seconds is not None:
            self._reporter.loaded(pool.name, seconds)
        if replica.ready != before:
            log.info("replica_ready", pool=pool.name, ready=replica.ready)
            self._changed.set()

    async def _report_refused(self, refused: _RefusedPool) -> None:
        seen = {"observedGeneration": refused.generation}
        await self._reporter.report(refused.status, seen, refused.conditions)

    def serving(self) -> list[Choice]:
        """Every replica that can run something once it has a slot free."""
        choices = [
            Choice(pool.name, replica, replica.targets(pool.name, pool.spec, self._modes))
            for pool in self._pools.values()
            for replica in pool.replicas.values()
            if not replica.draining
        ]
        if self._job_pods is not None and self._job_pods.ready:
            choices.append(Choice(JOB_PODS, self._job_pods, frozenset({POD_TARGET})))
        return [choice for choice in choices if choice.targets]

    def choose(self) -> list[Choice]:
        """Every replica with a free slot, the freest first."""
        choices = [choice for choice in self.serving() if choice.replica.free]
        choices.sort(key=lambda choice: choice.replica.free, reverse=True)
        return choices

    def waiting_reason(self, target: str, *, at_limit: bool = False) -> WaitingReason:
        """Why a job that asks for `target` is not running.

        `at_limit` says that its workspace has as many jobs running as its plan lets it.
        """
        if target == POD_TARGET:
            return self._waiting_for_pods(at_limit=at_limit)
        pools = self._pools.values()
        serving = [replica for pool in pools for replica in pool.serving(target, self._modes)]
        if not serving:
            loading = any(pool.is_loading(target) for pool in pools)
            return "model_loading" if loading else "pool_unavailable"
        if at_limit:
            return "workspace_concurrency"
        free = any(replica.free for replica in serving)
        return "waiting_for_turn" if free else "waiting_for_slot"

    def _waiting_for_pods(self, *, at_limit: bool) -> WaitingReason:
        pods = self._job_pods
        if pods is None or not pods.ready:
            loading = pods is not None and pods.server.loading
            return "model_loading" if loading else "pool_unavailable"
        if at_limit:
            return "workspace_concurrency"
        return "waiting_for_turn" if pods.free else "waiting_for_slot"

    def lacks(self, target: str) -> Trouble | None:
        """What the installation lacks for all jobs that ask for `target`, as far as it is known."""
        return self._job_pods.server.trouble if self._job_pods and target == POD_TARGET else None

    async def cancel_everywhere(self, pool: str | None, attempt_id: str, *, for_good: bool) -> None:
        """Flags an attempt on every ready replica of its pool: which one has it is not known.

        Unless `for_good`, a Job that waits in a queue keeps its place there.
        """
        if self._job_pods is not None and pool in {None, JOB_PODS}:
            server = self._job_pods.server
            await (server.cancel if for_good else server.give_up)(attempt_id)
        for each in self._pools.values():
            if pool in {None, each.name}:
                for replica in list(each.replicas.values()):
                    if replica.ready:
                        await flag_canceled(replica, attempt_id)

    async def close(self) -> None:
        async with self._lock:
            for name in list(self._pools):
                await self._drop(name)

    async def _set_replicas(self, pool: Pool, endpoints: dict[str, str]) -> None:
        for key, replica in list(pool.replicas.items()):
            replica.draining = key not in endpoints
            if replica.draining and replica.slots.busy == 0:
                del pool.replicas[key]
                replica.mark_lost()
                await replica.connections.aclose()
        for key, endpoint in endpoints.items():
            if key not in pool.replicas:
                connections = AsyncExitStack()
                own = pool.spec.template is not None
                client = self.access.connect(endpoint, own=own)
                server = await connections.enter_async_context(client)
                slots = Slots(pool.spec.slots_per_replica)
                pool.replicas[key] = Replica(server, connections, slots)

    async def _drop(self, name: str) -> None:
        pool = self._pools.pop(name, None)
        for replica in pool.replicas.values() if pool else ():
            replica.mark_lost()
            await replica.connections.aclose()

    async def _report(self, pool: Pool) -> None:
        replicas = [replica for replica in pool.replicas.values() if not replica.draining]
        ready = sum(replica.ready for replica in replicas)
        seen: dict[str, Any] = {
            "replicas": len(replicas),
            "readyReplicas": ready,
            "slots": sum(replica.slots.size for replica in replicas if replica.ready),
            "readyModels": sorted({model for replica in replicas for model in replica.models}),
            "observedGeneration": pool.generation,
        }
        if pool.spec.template is None:
            conditions = endpoint_conditions(ready=ready, present=len(replicas))
        else:
            seen["selector"] = selector(pool.name)
            conditions = template_conditions(pool.servers, ready=ready)
        await self._reporter.report(pool.status, seen, conditions)


async def flag_canceled(replica: Replica, attempt_id: str) -> None:
    """Asks a replica to stop an attempt; one that is away has stopped it already."""
    try:
        await replica.server.cancel(attempt_id)
    except (TritonRefused, TritonUnavailable) as error:
        log.warning("cancel_flag_not_set", attempt=attempt_id, error=type(error).__name__)
