"""Processes whose wall clock is wrong: what is stored is compared with MongoDB's alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.tenant import Tenant
from tests.platform_under_test import wait_until
from tests.support.faketime import wall_clock_off_by
from tests.support.own_shard import Program, Shard, client_of
from tests.support.puppet_jobs import assert_all_ended_well, record_of, submit_all

either_way = pytest.mark.parametrize("seconds", [-120, 3600])


def shown_skews(program: Program, port: str) -> dict[str, float]:
    """What the process's metrics say of its clock, by store."""
    address = f"http://127.0.0.1:{program.environment[port]}/metrics"
    text = httpx.get(address, trust_env=False, timeout=30).text
    return {
        sample.labels["store"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "imagerift_clock_skew_seconds"
    }


def assert_jobs_run(shard: Shard, tenant: Tenant, photo: bytes) -> None:
    """More jobs than there are slots: some wait, and are told where; all end as with right clocks,
    and bear times of the store's."""
    began = datetime.now(UTC)
    jobs = submit_all(tenant, photo, 10, hold=4)

    def told_of_the_queue() -> bool:
        return any((tenant.job(job)["queue"] or {}).get("position") for job in jobs)

    wait_until(told_of_the_queue, seconds=20, what="a job's place in the queue is told")
    assert_all_ended_well(shard, tenant, jobs)
    second = timedelta(seconds=1)
    for record in (record_of(shard, job) for job in jobs):
        times = [
            record[name].replace(tzinfo=UTC)
            for name in ("created_at", "started_at", "completed_at")
        ]
        assert times == sorted(times)
        assert began - second < times[0]
        assert times[-1] < datetime.now(UTC) + second


def assert_told(skews: dict[str, float], seconds: int) -> None:
    assert set(skews) == {"mongodb", "kubernetes", "s3"}
    assert all(abs(skew - seconds) < 5 for skew in skews.values()), skews


@either_way
def test_an_operator_whose_clock_is_wrong_runs_every_job(
    alone: Shard, shard_http: httpx.Client, small_photo: bytes, seconds: int
) -> None:
    operator = alone.operator(**wall_clock_off_by(seconds))
    alone.wait_for_leader()
    assert_jobs_run(alone, alone.tenant(shard_http), small_photo)
    assert_told(shown_skews(operator, "IMAGERIFT_OPERATOR_METRICS_PORT"), seconds)


@either_way
def test_jobs_of_an_api_whose_clock_is_wrong_run(
    alone: Shard, small_photo: bytes, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    # `alone` lets the first API go on when this one is gone.
    monkeypatch.setattr(alone, "api_url", alone.api_url)
    api = alone.api(**wall_clock_off_by(seconds))
    alone.operator()
    alone.wait_for_leader()
    with client_of(alone) as http:
        assert_jobs_run(alone, alone.tenant(http), small_photo)
    assert_told(shown_skews(api, "IMAGERIFT_API_METRICS_PORT"), seconds)


def test_no_operator_leads_before_it_has_read_the_stores_clock(alone: Shard) -> None:
    """Else it would take for overdue or expired what is not."""
    alone.mongo.refuse()
    operator = alone.operator()

    def asked_in_vain() -> bool:
        lines = operator.log.read_text().splitlines()
        return sum("clock_not_read" in line and "mongodb" in line for line in lines) >= 3

    wait_until(asked_in_vain, seconds=60, what="the operator has asked for the time in vain")
    assert alone.leader() is None
    alone.mongo.restore()
    assert alone.wait_for_leader() is operator
