"""GET /api/v1/usage."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from imagerift_core import clock, quota
from imagerift_core.mongo.usage import LedgerRow, PeriodUsage
from imagerift_core.plans import QuotaScope
from pydantic import Field

from imagerift_api.auth.keys import Caller
from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation, add_operations
from imagerift_api.http.requests import RequestQuery
from imagerift_api.http.shapes import AnswerBody, Time, Uuid
from imagerift_api.http.text_cursors import decode_text_cursor, encode_text_cursor

Period = Annotated[str, Field(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]


class UsageQuery(RequestQuery):
    """Which period, and which page of its ledger."""

    period: Period | None = Field(
        None, description="A UTC month such as 2026-11; the present one by default."
    )
    cursor: str | None = Field(None, max_length=128, description="`nextCursor` of a page before.")
    limit: int = Field(50, ge=1, le=100, description="Rows of the ledger.")


class UsageQuota(AnswerBody):
    """The quota of the period. Past periods are shown with the present plan's limit."""

    scope: QuotaScope
    limit: int
    charged: int
    reserved: int
    remaining: int


class UsagePeriod(AnswerBody):
    """What another period came to."""

    period: str
    charged: int
    reserved: int


class UsageKey(AnswerBody):
    """Units charged by one key; without a key, by sessions and resources made by hand."""

    key_id: str | None
    units: int


class UsageRow(AnswerBody):
    """One charged output."""

    job_id: Uuid
    output_index: int
    key_id: str | None
    mode: str
    units: int
    at: Time


class UsageLedger(AnswerBody):
    """A page of the ledger, newest first."""

    data: list[UsageRow]
    next_cursor: str | None


class UsageObject(AnswerBody):
    """What the workspace used in a period."""

    period: str
    plan: str
    resets_at: Time
    quota: UsageQuota
    keys: list[UsageKey]
    ledger: UsageLedger
    periods: list[UsagePeriod]


async def read_usage(call: Call, query: UsageQuery) -> UsageObject:
    before = _place(query.cursor) if query.cursor else None
    period = query.period or quota.period_of(clock.now())
    caller, usage = call.caller, call.context.stores.usage
    periods = await usage.periods(caller.workspace)
    keys = await usage.by_key(caller.workspace, period)
    rows = await usage.ledger_page(caller.workspace, period, before=before, limit=query.limit + 1)
    shown = rows[: query.limit]
    return UsageObject(
        period=period,
        plan=caller.plan_name,
        resets_at=quota.period_end(_moment_in(period)),
        quota=_quota(caller, periods, period),
        keys=[UsageKey(key_id=key.key_id, units=key.units) for key in keys],
        ledger=UsageLedger(
            data=[_row(row) for row in shown],
            next_cursor=_cursor(shown[-1]) if len(rows) > query.limit else None,
        ),
        periods=[
            UsagePeriod(period=one.period, charged=one.charged, reserved=one.reserved)
            for one in periods
        ],
    )


def _quota(caller: Caller, periods: list[PeriodUsage], period: str) -> UsageQuota:
    found = next((one for one in periods if one.period == period), PeriodUsage(period, 0, 0))
    limit = caller.plan.units_per_month
    return UsageQuota(
        scope=caller.plan.quota_scope,
        limit=limit,
        charged=found.charged,
        reserved=found.reserved,
        remaining=quota.remaining(limit, found.charged),
    )


def _row(row: LedgerRow) -> UsageRow:
    return UsageRow(
        job_id=row.job,
        output_index=row.output_index,
        key_id=row.key_id,
        mode=row.mode,
        units=row.units,
        at=row.at,
    )


def _moment_in(period: str) -> datetime:
    year, month = period.split("-")
    return datetime(int(year), int(month), 1, tzinfo=UTC)


def _cursor(row: LedgerRow) -> str:
    return encode_text_cursor(row.at, row.id.replace(":", "_"))


def _place(cursor: str) -> tuple[datetime, str]:
    moment, identifier = decode_text_cursor(cursor)
    return moment, identifier.replace("_", ":")


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/usage",
        handler=read_usage,
        name="readUsage",
        tag="Usage",
        summary="Read a period's quota, what each key was charged for, and the ledger",
        access="either",
        scope="usage:read",
        replies={200: Reply("The usage.", UsageObject)},
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
