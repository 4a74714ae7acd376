"""What a workspace used in a period: its counter, each key's share, and the ledger by pages."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web
from imagerift_core import clock, quota
from imagerift_core.mongo.usage import PeriodUsage, UsageStore

from imagerift_api.auth.keys import Caller
from imagerift_api.http.cursors import decode_cursor, encode_cursor
from imagerift_api.usage.schemas import (
    UsageKey,
    UsageLedger,
    UsageObject,
    UsagePeriod,
    UsageQuery,
    UsageQuota,
    UsageRow,
)


class Usages:
    def __init__(self, usage: UsageStore) -> None:
        self._usage = usage

    async def of(self, caller: Caller, query: UsageQuery) -> UsageObject:
        """What the caller's workspace used, as far as the query asks for it.

        Raises `InvalidRequest` for a cursor not of ours, or `CapacityUnavailable`.
        """
        before = decode_cursor(query.cursor) if query.cursor else None
        month, workspace = query.period or quota.period_of(clock.now()), caller.workspace
        periods = await self._usage.periods(workspace)
        keys = await self._usage.by_key(workspace, month)
        rows = await self._usage.ledger_page(workspace, month, before=before, limit=query.limit + 1)
        shown, more = rows[: query.limit], len(rows) > query.limit
        own = next((one for one in periods if one.period == month), PeriodUsage(month, 0, 0))
        return UsageObject(
            period=month,
            plan=caller.plan_name,
            resets_at=quota.period_end(datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)),
            quota=UsageQuota.of(own, caller.plan),
            keys=[UsageKey(key_id=key.key_id, units=key.units) for key in keys],
            ledger=UsageLedger(
                data=[UsageRow.of(row) for row in shown],
                next_cursor=encode_cursor(shown[-1].at, shown[-1].id) if more else None,
            ),
            periods=[
                UsagePeriod(period=one.period, charged=one.charged, reserved=one.reserved)
                for one in periods
            ],
        )


USAGES = web.AppKey("usages", Usages)
