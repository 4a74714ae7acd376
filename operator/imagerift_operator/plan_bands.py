"""The queue band of a workspace, from its plan; kept for half a minute."""

from __future__ import annotations

from cachetools import TTLCache
from imagerift_core.mongo import Database, accounts, translated_errors
from imagerift_core.plans import Plans

_KEEP_SECONDS = 30
_MAX_WORKSPACES = 100_000


class PlanBands:
    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans
        self._known: TTLCache[str, int] = TTLCache(_MAX_WORKSPACES, _KEEP_SECONDS)

    async def band_of(self, workspace: str) -> int:
        """0 for an unknown workspace or plan. Raises `CapacityUnavailable`."""
        band = self._known.get(workspace)
        if band is None:
            async with translated_errors():
                account = await accounts.get_workspace(self._database, workspace)
            plan = self._plans.get(account.plan) if account else None
            band = plan.band if plan else 0
            self._known[workspace] = band
        return band
