"""The breaker before Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from imagerift_api.debounced_writer import DebouncedWriter
from imagerift_api.jobs.resources import PAUSE_SECONDS, JobResources
from imagerift_api.metrics import Metrics
from imagerift_core.kube import Kube, KubeUnavailable
from prometheus_client import generate_latest

from tests.support.job_records import make_record


class FakeKube:
    """Answers with what a test put into `outcome`, and counts the calls."""

    def __init__(self) -> None:
        self.outcome: Any = {"metadata": {"uid": "u1"}}
        self.calls = 0

    async def create_job(self, _body: dict[str, Any]) -> Any:
        self.calls += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def request_cancel(self, _name: str) -> Any:
        return await self.create_job({})


class FakeNotes:
    """Keeps what is noted, in order."""

    def __init__(self) -> None:
        self.uids: list[tuple[str, str]] = []

    def record(self, job_id: str, uid: str) -> None:
        self.uids.append((job_id, uid))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    made = Metrics()
    yield made
    made.close()


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notes() -> FakeNotes:
    return FakeNotes()


@pytest.fixture
def resources(kube: FakeKube, notes: FakeNotes, metrics: Metrics, clock: Clock) -> JobResources:
    return JobResources(
        cast(Kube, kube), cast(DebouncedWriter[str], notes), metrics, monotonic=clock
    )


async def test_the_uid_of_a_new_resource_is_noted(
    resources: JobResources, notes: FakeNotes
) -> None:
    record = make_record()

    await resources.create(record)

    assert notes.uids == [(record.id, "u1")]


async def test_one_that_exists_already_is_no_failure(
    resources: JobResources, kube: FakeKube, notes: FakeNotes
) -> None:
    kube.outcome = None

    await resources.create(make_record())
    await resources.create(make_record())
    assert (kube.calls, notes.uids) == (2, [])


async def test_after_an_outage_nothing_is_asked_for_a_while(
    resources: JobResources, kube: FakeKube, notes: FakeNotes, clock: Clock, metrics: Metrics
) -> None:
    kube.outcome = KubeUnavailable("answered 503")
    await resources.create(make_record())
    kube.outcome = {"metadata": {"uid": "u2"}}

    clock.now += PAUSE_SECONDS - 0.1
    await resources.create(make_record())
    await resources.request_cancel(make_record())
    assert (kube.calls, notes.uids) == (1, [])

    clock.now += 0.2
    await resources.create(make_record())
    assert [uid for _job, uid in notes.uids] == ["u2"]
    shown = generate_latest(metrics.registry).decode()
    assert 'resource_creations_failed_total{reason="unavailable"} 1.0' in shown
    assert 'resource_creations_failed_total{reason="skipped"} 1.0' in shown


async def test_a_refusal_is_no_outage(
    resources: JobResources, kube: FakeKube, notes: FakeNotes
) -> None:
    kube.outcome = RuntimeError("422")
    await resources.create(make_record())
    kube.outcome = {"metadata": {"uid": "u2"}}

    await resources.create(make_record())
    assert [uid for _job, uid in notes.uids] == ["u2"]
