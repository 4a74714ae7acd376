"""Makes and repairs the model servers of pools that have a template, and follows their pods."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from imagerift_core.clock import now
from imagerift_core.isolation import Isolation
from imagerift_core.kube_calls import MAX_WORDS, KubeRefused, KubeUnavailable, words_of
from imagerift_core.kube_workloads import PodSeen, Trouble, Workloads, fields_trouble
from imagerift_core.pool_template import PoolTemplate

from imagerift_operator.leadership import Leadership
from imagerift_operator.pod_parts import NO_WEIGHTS, MountedWeights
from imagerift_operator.pool_figures import waiting_jobs
from imagerift_operator.pool_objects import (
    deployment,
    disruption_budget,
    object_name,
    selector,
    service,
    with_gate,
)
from imagerift_operator.pool_scaling import PoolScale
from imagerift_operator.pool_status import ServersSeen
from imagerift_operator.pools import Pool, Pools
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.weights import Weights

log = structlog.get_logger(__name__)

FOLLOW_SECONDS = 1.0
# What somebody changed by hand is put back after this long at most.
REPAIR = timedelta(seconds=10)


# What is refused is tried again after a second, then ever later up to this.
LONGEST_PAUSE = timedelta(minutes=1)
# Servers whose cost is written before there are to be fewer, at most: each takes a call.
MOST_MARKED = 20


_Desired = tuple[PoolTemplate, int, MountedWeights]


@dataclass(frozen=True)
class _Written:
    """What was last asked for a pool, when to write it again, and why it did not work.

    `failures` counts refusals in a row of the same desired state, `lacks` are fields that the
    API server has left out.
    """

    desired: object
    replicas: int
    due: datetime
    trouble: Trouble | None = None
    failures: int = 0
    weights: MountedWeights = NO_WEIGHTS
    lacks: Trouble | None = None


class PoolController:
    """Every process follows the pods, so that a new leader knows them; the leader writes."""

    def __init__(
        self,
        workloads: Workloads,
        pools: Pools,
        scheduler: Scheduler,
        leadership: Leadership,
        isolated: Isolation,
        *,
        s3_origin: str,
        weights: Weights,
    ) -> None:
        self._workloads = workloads
        self._pools = pools
        self._scheduler = scheduler
        self._leadership = leadership
        self._isolated = isolated
        self._s3_origin = s3_origin
        self._weights = weights
        # The safety gate of the installation, of which servers are told.
        self.gate: str | None = None
        self._scales: dict[str, PoolScale] = {}
        self._written: dict[str, _Written] = {}

    async def run(self) -> None:
        """Follows every pool until canceled."""
        while True:
            await self._isolated.at_once(
                (pool.name, partial(self._look_at, pool)) for pool in self._pools
            )
            known = {pool.uid for pool in self._pools}
            for uid in self._scales.keys() - known:
                del self._scales[uid]
            for uid in self._written.keys() - known:
                del self._written[uid]
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _look_at(self, pool: Pool) -> None:
        try:
            if pool.spec.template is not None:
                await self._follow(pool, pool.spec.template)
            elif self._leadership.leading:
                await self._remove_servers(pool)
        except KubeRefused as error:
            if self._leadership.leading and pool.servers is not None:
                words = f"The API server refuses to show the servers: {words_of(error)}"
                pool.servers = replace(pool.servers, trouble=Trouble("FollowRefused", words))
            raise

    async def _follow(self, pool: Pool, template: PoolTemplate) -> None:
        listed = await self._workloads.pods(selector(pool.name))
        pods = [pod for pod in listed if not pod.terminating and not pod.ended]
        if self._leadership.leading:
            written = await self._scale(pool, template, pods)
            pool.servers = await self._seen(pool, written, pods)
        else:
            # Others may scale meanwhile; the next lead starts from what is there.
            self._scales.pop(pool.uid, None)
            self._written.pop(pool.uid, None)
            pool.servers = None
        await self._pools.set_replicas(
            pool.name,
            {
                pod.uid: _endpoint(self._pools.access.scheme, pod.address, template.port)
                for pod in pods
                if pod.running and pod.address
            },
        )

    async def _seen(self, pool: Pool, written: _Written, pods: list[PodSeen]) -> ServersSeen:
        trouble = written.trouble
        troubled = [pod.trouble for pod in pods if pod.trouble is not None]
        if not written.failures:
            if len(pods) < written.replicas:
                # Only the Deployment knows why its pods cannot be made.
                made = await self._workloads.deployment(object_name(pool.name))
                trouble = made.trouble if made is not None else None
            trouble = written.lacks or next(iter(troubled), trouble)
        weights = written.weights
        if weights.trouble is not None and not weights.coming:
            trouble = weights.trouble
        return ServersSeen(
            asked=written.replicas,
            pods=len(pods),
            placed=sum(pod.placed for pod in pods),
            troubled=len(troubled),
            unschedulable=next((pod.unschedulable for pod in pods if pod.unschedulable), None),
            trouble=trouble,
            weights=weights,
        )

    async def _scale(self, pool: Pool, template: PoolTemplate, pods: list[PodSeen]) -> _Written:
        at = now()
        scale = self._scales.get(pool.uid)
        if scale is None:
            present = await self._workloads.deployment(object_name(pool.name))
            scale = PoolScale(template.min_replicas if present is None else present.replicas)
            self._scales[pool.uid] = scale
        if pool.spec.replicas is not None:
            scale.replicas, scale.quiet_since = pool.spec.replicas, None
        else:
            before = scale.replicas
            scale.decide(
                jobs=self._jobs(pool),
                slots=_slots_per_replica(pool),
                minimum=template.min_replicas,
                maximum=template.max_replicas,
                patience=timedelta(seconds=template.scale_down_after_seconds),
                at=at,
            )
            if scale.replicas != before:
                log.info("pool_scaled", pool=pool.name, before=before, after=scale.replicas)
        mounted = self._weights.mounted(template.weights, execution="Pool")
        desired = (template, scale.replicas, mounted)
        written = self._written.get(pool.uid)
        if written is None or written.desired != desired or at >= written.due:
            if written is not None and scale.replicas < written.replicas:
                await self._mark_busy(pool, pods)
            written = await self._apply(pool, desired, written, at)
            self._written[pool.uid] = written
        return written

    async def _apply(
        self,
        pool: Pool,
        desired: _Desired,
        before: _Written | None,
        at: datetime,
    ) -> _Written:
        template, replicas, mounted = desired
        if mounted.trouble is not None:
            # What is there goes on; an update waits as a first server does.
            return _Written(desired, replicas, at, weights=mounted)
        failures = before.failures if before is not None and before.desired == desired else 0
        body = deployment(
            pool.name,
            pool.uid,
            with_gate(template, self.gate),
            replicas=replicas,
            s3_origin=self._s3_origin,
            access=self._pools.access,
            weights=mounted,
        )
        try:
            await self._workloads.apply_service(service(pool.name, pool.uid, template))
            await self._workloads.apply_disruption_budget(disruption_budget(pool.name, pool.uid))
            made = await self._workloads.apply_deployment(body)
        except KubeRefused as error:
            # Such as a value out of bounds, a quota that is used up or a missing right.
            words, for_good = words_of(error), True
        except KubeUnavailable as error:
            # Once may be a moment's trouble of the server's own.
            words, for_good = error.words or str(error), error.words is not None and failures > 0
        else:
            lacks = fields_trouble(made.not_kept)
            return _Written(desired, replicas, at + REPAIR, made.trouble, 0, mounted, lacks)
        log.warning("pool_refused", pool=pool.name, words=words, failures=failures + 1)
        trouble = before.trouble if before is not None else None
        if for_good:
            trouble = Trouble("ApplyRefused", f"The API server refuses the servers: {words}")
        pause = min(LONGEST_PAUSE, timedelta(seconds=2 ** min(failures, 10)))
        return _Written(desired, replicas, at + pause, trouble, failures + 1, mounted)

    async def _mark_busy(self, pool: Pool, pods: list[PodSeen]) -> None:
        """Has Kubernetes take idle servers first: it removes the pods of the lowest cost.

        Written where it has changed, of the busiest first, and of no more than `MOST_MARKED`.
        """
        costs = {
            pod.name: replica.slots.busy if (replica := pool.replicas.get(pod.uid)) else 0
            for pod in pods
        }
        changed = [pod.name for pod in pods if costs[pod.name] != pod.deletion_cost]
        changed.sort(key=costs.__getitem__, reverse=True)
        try:
            for name in changed[:MOST_MARKED]:
                await self._workloads.set_deletion_cost(name, costs[name])
        except (KubeRefused, KubeUnavailable) as error:
            # A busy server that goes ends its jobs first, so this costs time alone.
            log.warning("busy_servers_not_marked", pool=pool.name, error=str(error)[:MAX_WORDS])

    def _jobs(self, pool: Pool) -> int:
        """Jobs that run here or wait for this pool; one that n pools may take counts as 1/n."""
        by_pool = waiting_jobs(self._pools, self._scheduler.waiting_by_target())
        waiting = math.ceil(by_pool.get(pool.name, 0))
        return waiting + sum(replica.slots.busy for replica in pool.replicas.values())

    async def _remove_servers(self, pool: Pool) -> None:
        """A pool that was changed from a template to an endpoint keeps no servers of ours."""
        written = self._written.get(pool.uid)
        if written is not None and written.desired == pool.spec.endpoint:
            return
        if await self._workloads.deployment(object_name(pool.name)) is not None:
            await self._workloads.delete_server_objects(object_name(pool.name))
        self._written[pool.uid] = _Written(pool.spec.endpoint, 0, now())


def _slots_per_replica(pool: Pool) -> int:
    """By the servers' own words; before there are any, what is asked for."""
    sizes = [replica.slots.size for replica in pool.replicas.values()]
    return max(sizes, default=pool.spec.slots_per_replica or 1)


def _endpoint(scheme: str, address: str, port: int) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{scheme}://{host}:{port}"
