"""What webhooks tell, and when a delivery is tried again, as plain rules."""

from __future__ import annotations

import hashlib
import random
from datetime import timedelta
from typing import Literal

from imagerift_core.jobs import JobRecord, Status

WebhookEvent = Literal["job.succeeded", "job.failed", "job.canceled"]
ALL_EVENTS: tuple[WebhookEvent, ...] = ("job.succeeded", "job.failed", "job.canceled")
_EVENT_OF: dict[Status, WebhookEvent] = {
    Status.SUCCEEDED: "job.succeeded",
    Status.FAILED: "job.failed",
    Status.CANCELED: "job.canceled",
}

# The pauses that the Standard Webhooks specification proposes: ten tries in about 75 hours.
_PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MAX_TRIES = len(_PAUSES) + 1
_JITTER = 0.1

# The target of a delivery to a job's own `webhookUrl`; other targets are ids of webhooks.
JOB_TARGET = "job"


def event_of(record: JobRecord) -> WebhookEvent:
    """What a record that has ended tells."""
    return _EVENT_OF[record.status]


def delivery_id(job_id: str, target: str) -> str:
    """A job ends once, so each target hears of it under one id, however often it is tried."""
    return "evt_" + hashlib.sha256(f"{job_id}:{target}".encode()).hexdigest()[:24]


def pause_after(tries: int) -> timedelta | None:
    """The pause after the `tries`-th failed try, a tenth of it up or down by chance; None after
    the last."""
    if tries > len(_PAUSES):
        return None
    return _PAUSES[tries - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
