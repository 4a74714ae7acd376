"""Quota rules: periods, and what a response says of the counter. Plain values only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def period_of(moment: datetime) -> str:
    """The UTC calendar month of `moment`, such as `2026-11`."""
    return moment.astimezone(UTC).strftime("%Y-%m")


def period_end(moment: datetime) -> datetime:
    """The first instant of the next period: when the counter of `moment` resets."""
    start = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if start.month == 12:
        return start.replace(year=start.year + 1, month=1)
    return start.replace(month=start.month + 1)


def counter_id(workspace: str, period: str) -> str:
    """The counter's document id: one a workspace and period.

    The plan's scope is no part of it: a plan that changes within a period finds what was
    charged before.
    """
    return f"{workspace}:{period}"


def counter_before(counter: str) -> str:
    """The id of the same workspace's counter of the period before."""
    workspace, _, period = counter.rpartition(":")
    first_day = datetime.strptime(period, "%Y-%m").replace(tzinfo=UTC)
    return counter_id(workspace, period_of(first_day - timedelta(days=1)))


def remaining(limit: int, charged: int) -> int:
    """What is left of `limit`; reservations do not move it, and it never falls below 0."""
    return max(0, limit - charged)
