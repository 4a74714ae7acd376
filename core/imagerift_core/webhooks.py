"""What webhooks tell, and when a delivery is tried again, as plain rules."""

from __future__ import annotations

import hashlib
import random
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

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

# What is tried at once, by all replicas together: of one workspace, and of that to one host.
WORKSPACE_TRIES_AT_ONCE = 8
HOST_TRIES_AT_ONCE = 4

# Deliveries of one workspace that wait at most; what ends beyond them is noted and not sent.
MAX_WAITING = 10_000

# The last try of the schedule, at its slowest, and what the breaker may add to it.
GIVEN_UP_AFTER = timedelta(hours=84)

# A host that left so many tries in a row without an answer is asked by one try at a time.
BREAKS_AFTER = 5
_FIRST_PUT_OFF = timedelta(minutes=1)
_LONGEST_PUT_OFF = timedelta(minutes=30)

# The target of a delivery to a job's own `webhookUrl`; other targets are ids of webhooks.
JOB_TARGET = "job"


def event_of(record: JobRecord) -> WebhookEvent:
    """The event of a record that has ended."""
    return _EVENT_OF[record.status]


def delivery_id(job_id: str, target: str) -> str:
    """The id of the one message about a job to a target, the same at every try."""
    return "evt_" + hashlib.sha256(f"{job_id}:{target}".encode()).hexdigest()[:24]


def pause_after(tries: int) -> timedelta | None:
    """The pause after the `tries`-th failed try, with a tenth of jitter; None after the last."""
    if tries > len(_PAUSES):
        return None
    return _PAUSES[tries - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311


def lane_of(workspace: str, url: str) -> str:
    """Names what a workspace sends to one host and port: where one try is slow, the next will be.

    Another workspace's deliveries to the same host are in a lane of their own, so that nobody can
    have them put off.
    """
    try:
        place = urlsplit(url)
        host = f"{place.hostname}:{place.port or place.scheme}"
    except ValueError:
        host = url
    return hashlib.sha256(f"{workspace}:{host}".encode()).hexdigest()[:24]


def put_off_for(failures: int) -> timedelta | None:
    """How long a lane rests after so many tries without an answer in a row; None: not at all."""
    if failures < BREAKS_AFTER:
        return None
    doublings = min(failures - BREAKS_AFTER, 10)
    return min(_FIRST_PUT_OFF * (1 << doublings), _LONGEST_PUT_OFF)
