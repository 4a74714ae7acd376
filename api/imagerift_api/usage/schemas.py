"""What clients may ask about usage, and what they are answered."""

from __future__ import annotations

from typing import Annotated, Self

from imagerift_core import quota
from imagerift_core.mongo.usage import LedgerRow, PeriodUsage
from imagerift_core.plans import Plan, QuotaScope
from pydantic import Field

from imagerift_api.http.requests import RequestQuery
from imagerift_api.http.shapes import AnswerBody, Time, Uuid

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

    @classmethod
    def of(cls, usage: PeriodUsage, plan: Plan) -> Self:
        limit = plan.units_per_month
        return cls(
            scope=plan.quota_scope,
            limit=limit,
            charged=usage.charged,
            reserved=usage.reserved,
            remaining=quota.remaining(limit, usage.charged),
        )


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

    @classmethod
    def of(cls, row: LedgerRow) -> Self:
        return cls(
            job_id=row.job,
            output_index=row.output_index,
            key_id=row.key_id,
            mode=row.mode,
            units=row.units,
            at=row.at,
        )


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
