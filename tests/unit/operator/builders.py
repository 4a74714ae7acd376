"""Small makers of the values that the operator's rules work on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from imagerift_core.generation import GenerationSpec
from imagerift_core.isolation import Isolation
from imagerift_core.jobs import JobRecord, QuotaReservation, SourceImage
from imagerift_operator.job_entry import JobEntry
from imagerift_operator.refusals import make_isolations
from imagerift_operator.slots import Slots

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def make_entry(
    job_id: str, *, workspace: str = "ws_a", after: float = 0.0, **more: Any
) -> JobEntry:
    values: dict[str, Any] = {
        "job_id": job_id,
        "name": job_id,
        "uid": f"uid-{job_id}",
        "by_api": True,
        "workspace": workspace,
        "mode": "style",
        "export_size": "base",
        "units": 1,
        "pool": None,
        "execution": "Pool",
        "created_at": START + timedelta(seconds=after),
        "ttl_seconds": 300,
        "cancel": False,
        "phase": "Queued",
        "finished_at": None,
    }
    return JobEntry(**(values | more))


def isolation(loop: str = "a loop") -> Isolation:
    """The isolation of a loop, as an operator makes it."""
    return make_isolations().of(loop)


def taken_slots(busy: int, *, of: int) -> Slots:
    """Slots of which so many are taken."""
    slots = Slots(of)
    for _ in range(busy):
        slots.acquire()
    return slots


def make_record(job_id: str = "job-1", **more: Any) -> JobRecord:
    values: dict[str, Any] = {
        "_id": job_id,
        "workspace": "ws_a",
        "request_id": "req_1",
        "namespace": "imagerift",
        "resource_name": job_id,
        "attempt": 1,
        "spec": GenerationSpec(mode="style", prompt="a secret wish", seed=7, variations=2),
        "source": SourceImage(
            key=f"workspaces/ws_a/jobs/{job_id}/source",
            content_type="image/jpeg",
            size_bytes=10,
            width=4,
            height=3,
            sha256="0" * 64,
        ),
        "quota": QuotaReservation(
            counter="team:ws_a:2026-11",
            scope="team",
            limit=10,
            units=2,
            remaining=10,
            remaining_after_queue=10,
        ),
        "created_at": START,
        "deadline_at": START + timedelta(hours=1),
    }
    return JobRecord.model_validate(values | more)
