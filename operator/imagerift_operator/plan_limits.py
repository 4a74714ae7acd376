"""What a workspace's plan says of the queue, cached for half a minute."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cachetools import TTLCache
from imagerift_core.mongo.workspaces import WorkspaceStore
from imagerift_core.plans import Plans

_KEEP_SECONDS = 30
_MAX_WORKSPACES = 100_000


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """The band of a workspace's jobs, and how many may run at once (None: any number)."""

    band: int = 0
    concurrent_jobs: int | None = None


class PlanLimitsCache:
    """Looks up the plan limits of workspaces."""

    def __init__(self, workspaces: WorkspaceStore, plans: Plans) -> None:
        self._workspaces = workspaces
        self._plans = plans
        self._known: TTLCache[str, PlanLimits] = TTLCache(_MAX_WORKSPACES, _KEEP_SECONDS)
        self._reading: dict[str, asyncio.Task[PlanLimits]] = {}

    async def of(self, workspace: str) -> PlanLimits:
        """A workspace's limits, the defaults for an unknown one. Raises `CapacityUnavailable`."""
        limits = self._known.get(workspace)
        if limits is not None:
            return limits
        # A start brings in every live job at once; those of a workspace share one look-up.
        task = self._reading.get(workspace)
        if task is None:
            task = asyncio.create_task(self._read(workspace))
            self._reading[workspace] = task
            task.add_done_callback(lambda _done: self._reading.pop(workspace, None))
        return await asyncio.shield(task)

    async def _read(self, workspace: str) -> PlanLimits:
        account = await self._workspaces.get(workspace)
        plan = self._plans.get(account.plan) if account else None
        limits = PlanLimits(plan.band, plan.concurrent_jobs) if plan else PlanLimits()
        self._known[workspace] = limits
        return limits
