"""Periods are UTC calendar months, whatever the clock of the caller says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagerift_core import clock, quota

moments = st.datetimes(
    min_value=datetime(2000, 1, 2), max_value=datetime(2199, 12, 30), timezones=st.timezones()
)


@given(moment=moments)
def test_a_period_ends_where_the_next_begins(moment: datetime) -> None:
    end = quota.period_end(moment)
    assert end > moment
    assert quota.period_of(end - timedelta(microseconds=1)) == quota.period_of(moment)
    assert quota.period_of(end) > quota.period_of(moment)
    assert (end.day, end.hour, end.minute, end.utcoffset()) == (1, 0, 0, timedelta())


@given(moment=moments)
def test_the_counter_before_is_of_the_period_before(moment: datetime) -> None:
    begin = quota.period_end(moment)
    now, before = (quota.counter_id("ws_a", quota.period_of(at)) for at in (begin, moment))
    assert quota.counter_before(now) == before


def test_december_ends_with_the_year() -> None:
    moment = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert quota.period_of(moment) == "2026-12"
    assert quota.period_end(moment) == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("hours", "period"), [(-11, "2026-12"), (0, "2026-12"), (14, "2026-11")])
def test_a_local_month_is_not_the_period(hours: int, period: str) -> None:
    local = timezone(timedelta(hours=hours))
    assert quota.period_of(datetime(2026, 12, 1, 0, 30, tzinfo=local)) == period


def test_a_counter_is_one_workspace_and_one_period() -> None:
    ids = {
        quota.counter_id("ws_a", "2026-11"),
        quota.counter_id("ws_b", "2026-11"),
        quota.counter_id("ws_a", "2026-12"),
    }
    assert len(ids) == 3


@given(limit=st.integers(0, 10**9), charged=st.integers(0, 10**9))
def test_remaining_is_never_below_zero(limit: int, charged: int) -> None:
    assert quota.remaining(limit, charged) == max(0, limit - charged)


def test_the_clock_says_utc_milliseconds() -> None:
    moment = clock.now()
    assert moment.tzinfo is UTC
    assert moment.microsecond % 1000 == 0


@given(moment=moments)
def test_times_are_written_in_utc_with_milliseconds(moment: datetime) -> None:
    text = clock.rfc3339(moment)
    assert text.endswith("Z")
    parsed = datetime.fromisoformat(text)
    assert abs(parsed - moment.astimezone(UTC)) < timedelta(milliseconds=1)
