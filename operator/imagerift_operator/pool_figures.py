"""What is shown of each pool, for Prometheus.

The leader alone shows it: what is summed over an installation's operators counts once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from imagerift_operator.job_entry import POD_TARGET
from imagerift_operator.leadership import Leadership
from imagerift_operator.metrics import Metrics
from imagerift_operator.pools import Pool, Pools
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.slots import Slots


def waiting_jobs(pools: Iterable[Pool], waiting: Mapping[str, int]) -> dict[str, float]:
    """Jobs that wait for each pool; one that n pools may take counts as 1/n in each.

    `waiting` is how many jobs ask for each target.
    """
    there = list(pools)
    sharing = Counter(target for pool in there for target in pool.intended_targets)
    return {
        pool.name: sum(
            count / sharing[target]
            for target, count in waiting.items()
            if target in pool.intended_targets
        )
        for pool in there
    }


class PoolFigures:
    """Servers, slots and waiting jobs of each pool, read when they are scraped."""

    def __init__(self, pools: Pools, scheduler: Scheduler, leadership: Leadership) -> None:
        self._pools = pools
        self._scheduler = scheduler
        self._leadership = leadership

    def show(self, metrics: Metrics) -> None:
        watch = metrics.watch_pools
        watch("imagerift_pool_asked_servers", "Servers that there should be.", self.asked)
        watch("imagerift_pool_ready_servers", "Servers that have their models.", self.ready)
        watch("imagerift_pool_slots", "Slots of servers that can run something.", self.slots)
        watch("imagerift_pool_busy_slots", "Slots that are taken.", self.busy)
        watch("imagerift_pool_waiting_jobs", "Jobs that wait for the pool.", self.waiting)
        metrics.watch(
            "imagerift_unserved_jobs", "Jobs that wait and that no pool is for.", self.unserved
        )

    def asked(self) -> dict[str, float]:
        """Of a pool whose server somebody else runs, one; none before servers were looked at."""
        found = {}
        for pool in self._seen():
            if pool.spec.template is None:
                found[pool.name] = 1.0
            elif pool.servers is not None:
                found[pool.name] = float(pool.servers.asked)
        return found

    def ready(self) -> dict[str, float]:
        return {
            pool.name: sum(
                replica.ready and not replica.draining for replica in list(pool.replicas.values())
            )
            for pool in self._seen()
        }

    def slots(self) -> dict[str, float]:
        """Job pods are a pool of their own here, as in the records."""
        return self._over_slots(lambda slots: slots.size)

    def busy(self) -> dict[str, float]:
        return self._over_slots(lambda slots: slots.busy)

    def waiting(self) -> dict[str, float]:
        return waiting_jobs(self._seen(), self._scheduler.waiting_by_target())

    def unserved(self) -> float | None:
        """None on a standby."""
        if not self._leadership.leading:
            return None
        served = {target for pool in self._pools for target in pool.intended_targets}
        served |= {POD_TARGET} if self._pools.has_job_pods else set()
        waiting = self._scheduler.waiting_by_target()
        return sum(count for target, count in waiting.items() if target not in served)

    def _seen(self) -> list[Pool]:
        return list(self._pools) if self._leadership.leading else []

    def _over_slots(self, read: Callable[[Slots], int]) -> dict[str, float]:
        found: dict[str, float] = {pool.name: 0.0 for pool in self._seen()}
        if self._leadership.leading:
            for choice in self._pools.serving():
                found[choice.pool] = found.get(choice.pool, 0.0) + read(choice.replica.slots)
        return found
