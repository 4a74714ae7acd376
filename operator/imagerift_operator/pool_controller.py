"""Makes and repairs the model servers of pools that have a template, and follows their pods."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from imagerift_core.clock import now
from imagerift_core.kube_calls import KubeRefused, KubeUnavailable
from imagerift_core.kube_workloads import Workloads
from imagerift_core.pool_template import PoolTemplate

from imagerift_operator.leadership import Leadership
from imagerift_operator.pool_objects import (
    deployment,
    disruption_budget,
    object_name,
    selector,
    service,
)
from imagerift_operator.pool_scaling import PoolScale
from imagerift_operator.pools import Pool, Pools
from imagerift_operator.scheduler import Scheduler

log = structlog.get_logger(__name__)

FOLLOW_SECONDS = 1.0
# What somebody changed by hand is put back after this long at most.
REPAIR = timedelta(seconds=10)


@dataclass(frozen=True)
class _Applied:
    """What was last written for a pool, and when."""

    wish: object
    at: datetime


class PoolController:
    """Every process follows the pods, so that a new leader knows them; the leader writes."""

    def __init__(
        self,
        workloads: Workloads,
        pools: Pools,
        scheduler: Scheduler,
        leadership: Leadership,
        *,
        s3_origin: str,
    ) -> None:
        self._workloads = workloads
        self._pools = pools
        self._scheduler = scheduler
        self._leadership = leadership
        self._s3_origin = s3_origin
        self._scales: dict[str, PoolScale] = {}
        self._applied: dict[str, _Applied] = {}

    async def run(self) -> None:
        """Follows every pool until canceled."""
        while True:
            for pool in self._pools:
                try:
                    if pool.spec.template is not None:
                        await self._follow(pool, pool.spec.template)
                    elif self._leadership.leading:
                        await self._remove_servers(pool)
                except KubeUnavailable as error:
                    log.warning("pool_not_followed", pool=pool.name, error=str(error))
                except KubeRefused as error:
                    # The API server's words, such as a quota that is used up or a missing right.
                    log.warning(
                        "pool_refused", pool=pool.name, status=error.status, body=error.body
                    )
                except Exception:
                    log.exception("pool_broke", pool=pool.name)
            known = {pool.uid for pool in self._pools}
            for uid in self._scales.keys() - known:
                del self._scales[uid]
            for uid in self._applied.keys() - known:
                del self._applied[uid]
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _follow(self, pool: Pool, template: PoolTemplate) -> None:
        if self._leadership.leading:
            await self._scale(pool, template)
        else:
            # Others may scale meanwhile; the next lead starts from what is there.
            self._scales.pop(pool.uid, None)
            self._applied.pop(pool.uid, None)
        pods = [
            pod for pod in await self._workloads.pods(selector(pool.name)) if not pod.terminating
        ]
        pool.unschedulable = next((pod.unschedulable for pod in pods if pod.unschedulable), None)
        await self._pools.set_replicas(
            pool.name,
            {
                pod.uid: _endpoint(pod.address, template.port)
                for pod in pods
                if pod.running and pod.address
            },
        )

    async def _scale(self, pool: Pool, template: PoolTemplate) -> None:
        at = now()
        scale = self._scales.get(pool.uid)
        if scale is None:
            present = await self._workloads.deployment_replicas(object_name(pool.name))
            scale = PoolScale(template.min_replicas if present is None else present)
            self._scales[pool.uid] = scale
        if pool.spec.replicas is not None:
            scale.replicas, scale.quiet_since = pool.spec.replicas, None
        else:
            before = scale.replicas
            scale.decide(
                jobs=self._jobs(pool),
                slots=pool.spec.slots_per_replica,
                minimum=template.min_replicas,
                maximum=template.max_replicas,
                patience=timedelta(seconds=template.scale_down_after_seconds),
                at=at,
            )
            if scale.replicas != before:
                log.info("pool_scaled", pool=pool.name, before=before, after=scale.replicas)
        pool.asked_replicas = scale.replicas
        wish = (template, scale.replicas)
        applied = self._applied.get(pool.uid)
        if applied is not None and applied.wish == wish and at - applied.at < REPAIR:
            return
        await self._workloads.apply_service(service(pool.name, pool.uid, template))
        await self._workloads.apply_disruption_budget(disruption_budget(pool.name, pool.uid))
        await self._workloads.apply_deployment(
            deployment(
                pool.name,
                pool.uid,
                template,
                replicas=scale.replicas,
                s3_origin=self._s3_origin,
            )
        )
        self._applied[pool.uid] = _Applied(wish, at)

    def _jobs(self, pool: Pool) -> int:
        """Jobs that run here or wait for this pool; those that others may take too are shared."""
        sharing = Counter(target for other in self._pools for target in other.meant_targets)
        waiting = sum(
            count / sharing[target]
            for target, count in self._scheduler.waiting_by_target().items()
            if target in pool.meant_targets
        )
        return math.ceil(waiting) + sum(replica.busy for replica in pool.replicas.values())

    async def _remove_servers(self, pool: Pool) -> None:
        """A pool that was changed from a template to an endpoint keeps no servers of ours."""
        applied = self._applied.get(pool.uid)
        if applied is not None and applied.wish == pool.spec.endpoint:
            return
        if await self._workloads.deployment_replicas(object_name(pool.name)) is not None:
            await self._workloads.delete_server_objects(object_name(pool.name))
        self._applied[pool.uid] = _Applied(pool.spec.endpoint, now())


def _endpoint(address: str, port: int) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}"
