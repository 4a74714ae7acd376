"""The pools of model servers: what they serve, whether they are ready, which slots are free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import structlog
from imagerift_core.clock import now, rfc3339
from imagerift_core.kube import Kube, KubeUnavailable
from imagerift_core.modes import Modes
from imagerift_core.mongo.scheduler_snapshot import WaitingReason
from imagerift_core.plans import EXPORT_LONG_EDGE
from imagerift_core.resources import TritonPoolSpec
from imagerift_core.triton import (
    ModelServer,
    TritonRefused,
    TritonUnavailable,
    connect_triton,
)

from imagerift_operator.entries import target_of

log = structlog.get_logger(__name__)

PROBE_SECONDS = 1.0
CONTROL_MODEL = "control"


@dataclass
class Replica:
    """One model server. `busy` counts calls that have not answered yet."""

    server: ModelServer
    connections: AsyncExitStack
    slots: int
    models: list[str] = field(default_factory=list)
    busy: int = 0
    _targets: frozenset[str] = frozenset()
    _targets_of: list[str] | None = None

    @property
    def ready(self) -> bool:
        return CONTROL_MODEL in self.models

    def targets(self, pool: str, spec: TritonPoolSpec, modes: Modes) -> frozenset[str]:
        """What this replica can run now: the pool's modes whose entry model it has ready."""
        if not self.ready:
            return frozenset()
        # Asked for every job that starts, while the models change at most once a probe.
        if self._targets_of is not self.models:
            loaded = [m for m in spec.modes if m in modes and modes[m].model in self.models]
            self._targets, self._targets_of = meant_targets(pool, spec, loaded), self.models
        return self._targets

    @property
    def free(self) -> int:
        return max(0, self.slots - self.busy) if self.ready else 0


@dataclass
class Pool:
    """A TritonPool as last seen, with its replicas."""

    name: str
    uid: str
    generation: int
    spec: TritonPoolSpec
    replicas: list[Replica]
    reported: dict[str, Any] | None = None

    def serving(self, target: str, modes: Modes) -> list[Replica]:
        """The replicas that can run `target` once they have a slot free."""
        return [r for r in self.replicas if target in r.targets(self.name, self.spec, modes)]

    def is_loading(self, target: str) -> bool:
        """Whether a replica answers that is meant to run `target`, but has no model for it yet."""
        meant = meant_targets(self.name, self.spec, self.spec.modes)
        return target in meant and any(replica.ready for replica in self.replicas)


class Pools:
    """Follows TritonPool resources and probes their servers."""

    def __init__(self, kube: Kube, modes: Modes, *, wake: Callable[[], None]) -> None:
        self._kube = kube
        self._modes = modes
        self._wake = wake
        self._pools: dict[str, Pool] = {}
        self._lock = asyncio.Lock()

    async def observe(self, event_type: str | None, body: dict[str, Any]) -> None:
        """Takes a pool's present state from the watch."""
        name = body["metadata"]["name"]
        async with self._lock:
            if event_type == "DELETED":
                await self._drop(name)
                return
            spec = TritonPoolSpec.model_validate(body["spec"])
            known = self._pools.get(name)
            if known is not None and known.uid == body["metadata"]["uid"] and known.spec == spec:
                return
            await self._drop(name)
            connections = AsyncExitStack()
            server = await connections.enter_async_context(connect_triton(spec.endpoint))
            self._pools[name] = Pool(
                name=name,
                uid=body["metadata"]["uid"],
                generation=body["metadata"].get("generation", 1),
                spec=spec,
                replicas=[Replica(server, connections, spec.slots_per_replica)],
            )
            log.info("pool_seen", pool=name, modes=spec.modes, slots=spec.slots_per_replica)

    async def run(self) -> None:
        """Probes every replica until canceled."""
        while True:
            await self.probe()
            await asyncio.sleep(PROBE_SECONDS)

    async def probe(self) -> None:
        for pool in list(self._pools.values()):
            wanted = {self._modes[mode].model for mode in pool.spec.modes if mode in self._modes}
            for replica in pool.replicas:
                before = replica.ready
                replica.models = await replica.server.ready_models({CONTROL_MODEL} | wanted)
                if replica.ready != before:
                    log.info("replica_ready", pool=pool.name, ready=replica.ready)
                    self._wake()
            await self._report(pool)

    def choose(self) -> list[tuple[Pool, Replica, frozenset[str]]]:
        """Every replica with a free slot, the freest first, its pool, and what it can run now."""
        choices = [
            (pool, replica, replica.targets(pool.name, pool.spec, self._modes))
            for pool in self._pools.values()
            for replica in pool.replicas
            if replica.free > 0
        ]
        choices.sort(key=lambda choice: choice[1].free, reverse=True)
        return [choice for choice in choices if choice[2]]

    def waiting_reason(self, target: str, *, at_limit: bool = False) -> WaitingReason:
        """Why a job that asks for `target` is not running.

        `at_limit` says that its workspace has as many jobs running as its plan lets it.
        """
        pools = self._pools.values()
        serving = [replica for pool in pools for replica in pool.serving(target, self._modes)]
        if not serving:
            loading = any(pool.is_loading(target) for pool in pools)
            return "model_loading" if loading else "pool_unavailable"
        if at_limit:
            return "workspace_concurrency"
        if not any(replica.free for replica in serving):
            return "waiting_for_gpu"
        return "waiting_for_turn"

    async def cancel_everywhere(self, pool_name: str | None, attempt_id: str) -> None:
        """Flags an attempt on every ready replica of its pool: which one has it is not known."""
        for pool in self._pools.values():
            if pool_name in {None, pool.name}:
                for replica in pool.replicas:
                    if replica.ready:
                        await flag_canceled(replica, attempt_id)

    async def close(self) -> None:
        async with self._lock:
            for name in list(self._pools):
                await self._drop(name)

    async def _drop(self, name: str) -> None:
        pool = self._pools.pop(name, None)
        for replica in pool.replicas if pool else ():
            replica.models = []
            await replica.connections.aclose()

    async def _report(self, pool: Pool) -> None:
        models = sorted({model for replica in pool.replicas for model in replica.models})
        ready = sum(replica.ready for replica in pool.replicas)
        seen = {
            "readyReplicas": ready,
            "slots": sum(replica.slots for replica in pool.replicas if replica.ready),
            "readyModels": models,
            "observedGeneration": pool.generation,
        }
        if seen == pool.reported:
            return
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "reason": "ReplicasReady" if ready else "NoReplicaReady",
            "message": f"{ready} of {len(pool.replicas)} replica(s) answer."
            if ready
            else "The server does not answer, or has no control model.",
            "lastTransitionTime": rfc3339(now()),
        }
        try:
            await self._kube.patch_pool_status(
                pool.name, seen | {"conditions": [condition]}, uid=pool.uid
            )
        except KubeUnavailable:
            return
        pool.reported = seen


def meant_targets(pool: str, spec: TritonPoolSpec, modes: Iterable[str]) -> frozenset[str]:
    """What jobs may ask for so that this pool runs them, once it has models for `modes`."""
    sizes = spec.export_sizes or EXPORT_LONG_EDGE
    return frozenset(
        target_of(asked, mode, size) for asked in (None, pool) for mode in modes for size in sizes
    )


async def flag_canceled(replica: Replica, attempt_id: str) -> None:
    """Asks a replica to stop an attempt; one that is away has stopped it already."""
    try:
        await replica.server.cancel(attempt_id)
    except (TritonRefused, TritonUnavailable) as error:
        log.warning("cancel_flag_not_set", attempt=attempt_id, error=type(error).__name__)
