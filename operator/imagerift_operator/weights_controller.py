"""Has weights downloaded by Jobs, says how far they are, and keeps those that pools name.

Only the leader acts. A deletion waits for a finalizer of ours while a pool or job pods name the
weights, and where their volume lies in another namespace, which Kubernetes does not clean up.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

import structlog
from imagerift_core.isolation import Isolation
from imagerift_core.kube import Kube
from imagerift_core.kube_calls import KubeUnavailable
from imagerift_core.kube_events import Regarding
from imagerift_core.model_weights import DOWNLOADED
from imagerift_core.resources import GROUP

from imagerift_operator.events import EventWriter
from imagerift_operator.leadership import Leadership
from imagerift_operator.pool_status import since
from imagerift_operator.pools import JOB_PODS, Pools
from imagerift_operator.weights import READY, SeenWeights, Weights
from imagerift_operator.weights_downloads import WeightsDownloads, as_before
from imagerift_operator.weights_status import Found, conditions, status

log = structlog.get_logger(__name__)

FOLLOW_SECONDS = 5.0
# Weights that are Ready are looked at so seldom: their volume may be gone.
READY_SECONDS = 30.0
FINALIZER = f"{GROUP}/in-use"


class WeightsController:
    """Follows every ModelWeights."""

    def __init__(
        self,
        kube: Kube,
        weights: Weights,
        pools: Pools,
        downloads: WeightsDownloads,
        leadership: Leadership,
        *,
        isolated: Isolation,
        events: EventWriter,
    ) -> None:
        self._kube = kube
        self._weights = weights
        self._pools = pools
        self._leadership = leadership
        self._isolated = isolated
        self._events = events
        self._downloads = downloads
        # When weights were last looked at in the cluster, by their uid.
        self._looked_at: dict[str, float] = {}

    async def run(self) -> None:
        """Follows the weights until canceled."""
        while True:
            await self.follow()
            await asyncio.sleep(FOLLOW_SECONDS)

    async def follow(self) -> None:
        """Looks at all weights once, at the same time."""
        if not self._leadership.leading:
            # Another leader writes meanwhile.
            self._looked_at.clear()
            return
        await self._isolated.at_once(
            (weights.name, partial(self._look_at, weights)) for weights in self._weights
        )
        for uid in self._looked_at.keys() - {weights.uid for weights in self._weights}:
            del self._looked_at[uid]

    async def _look_at(self, weights: SeenWeights) -> None:
        pools = self._named_by(weights.name)
        if weights.deleting:
            await self._let_go(weights, pools)
            return
        await self._hold(weights, wanted=bool(pools) or self._is_elsewhere(weights))
        looked_at = self._looked_at.get(weights.uid, float("-inf"))
        if weights.ready and time.monotonic() - looked_at < READY_SECONDS:
            found = as_before(weights)
        else:
            found = await self._downloads.found(weights)
            self._looked_at[weights.uid] = time.monotonic()
        await self._report(weights, found, pools)

    def _named_by(self, name: str) -> list[str]:
        """The pools that name weights, and `job-pods` where job pods do."""
        found = {
            pool.name
            for pool in self._pools
            if pool.spec.template is not None and name in pool.spec.template.weights
        }
        return sorted(found | ({JOB_PODS} if name in self._weights.named_by_job_pods else set()))

    def _is_elsewhere(self, weights: SeenWeights) -> bool:
        """Whether a volume of ours lies in a namespace where no owner reference reaches it."""
        spec = weights.spec
        return spec is not None and spec.execution == "Pod" and spec.scheme in DOWNLOADED

    async def _hold(self, weights: SeenWeights, *, wanted: bool) -> None:
        """Puts our finalizer on the weights, or takes it off."""
        if wanted == (FINALIZER in weights.finalizers):
            return
        others = [one for one in weights.finalizers if one != FINALIZER]
        finalizers = [*others, FINALIZER] if wanted else others
        made = await self._kube.set_weights_finalizers(
            weights.name, finalizers, uid=weights.uid, version=weights.version
        )
        if made is not None and wanted:
            self._weights.observe("MODIFIED", made)

    async def _let_go(self, weights: SeenWeights, pools: list[str]) -> None:
        """Lets a deletion happen once nobody names the weights."""
        if FINALIZER not in weights.finalizers:
            return
        if pools:
            words = f"Named by {', '.join(pools)}: deleted once none does."
            self._events.tell(self._regarding(weights), "Warning", "InUse", words)
            return
        if self._is_elsewhere(weights):
            await self._downloads.remove_from_elsewhere(weights)
        await self._hold(weights, wanted=False)

    async def _report(self, weights: SeenWeights, found: Found, pools: list[str]) -> None:
        before = weights.conditions
        written = status(weights.spec, weights.generation, found, pools)
        written["conditions"] = [since(before.get(c["type"]), c) for c in conditions(found)]
        if written == weights.status:
            return
        try:
            made = await self._kube.patch_weights_status(weights.name, written, uid=weights.uid)
        except KubeUnavailable:
            return
        if made is not None:
            # Before the watch tells it: what is Ready no more must not be taken for it.
            self._weights.observe("MODIFIED", made)
        self._tell(weights, before.get(READY, {}).get("reason"), found)

    def _tell(self, weights: SeenWeights, before: str | None, found: Found) -> None:
        ready = found.report is not None
        if before == (READY if ready else found.reason):
            return
        log.info("weights", name=weights.name, reason=found.reason)
        if ready:
            self._events.tell(self._regarding(weights), "Normal", READY, found.words)
        elif not found.waits:
            self._events.tell(self._regarding(weights), "Warning", found.reason, found.words)

    def _regarding(self, weights: SeenWeights) -> Regarding:
        return Regarding("ModelWeights", weights.name, weights.uid)
