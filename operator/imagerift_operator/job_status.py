"""A job record as the status of its resource. Plain functions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from imagerift_core.clock import rfc3339
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.kube_workloads import Trouble
from imagerift_core.mongo.scheduler_snapshot import QueuePosition, WaitingReason
from imagerift_core.resources import MAX_MESSAGE

from imagerift_operator.job_entry import JobEntry

_PHASES = {
    Status.QUEUED: "Queued",
    Status.PROCESSING: "Running",
    Status.SUCCEEDED: "Succeeded",
    Status.FAILED: "Failed",
    Status.CANCELED: "Canceled",
}
_CONDITIONS = {
    Status.SUCCEEDED: "Complete",
    Status.FAILED: "Failed",
    Status.CANCELED: "Canceled",
}
# Why a job waits, by the scheduler's reason.
WAITING: dict[WaitingReason, str] = {
    "waiting_for_turn": "others come first.",
    "waiting_for_slot": "every slot that would do is taken.",
    "model_loading": "a server loads the model.",
    "pool_unavailable": "no pool that is ready serves what it asks for.",
    "workspace_concurrency": "its workspace runs as many jobs as its plan lets it.",
}


def camel_case(code: str) -> str:
    """`model_error` as a Kubernetes reason: `ModelError`."""
    return "".join(word.capitalize() for word in code.split("_"))


def job_status(record: JobRecord) -> dict[str, Any]:
    """The whole status of a record. No prompt, no URL."""
    status: dict[str, Any] = {
        "phase": _PHASES[record.status],
        "jobId": record.id,
        "attempts": record.attempt,
        "queuedAt": rfc3339(record.created_at),
        "reason": _reason(record),
        "message": _message(record),
    }
    if record.pool:
        status["pool"] = record.pool
    if record.preemptions:
        status["preemptions"] = record.preemptions
    if record.started_at is not None:
        status["startedAt"] = rfc3339(record.started_at)
    if record.completed_at is not None:
        status["finishedAt"] = rfc3339(record.completed_at)
        started = record.started_at or record.completed_at
        status["duration"] = duration(started, record.completed_at)
        status["conditions"] = [
            {
                "type": _CONDITIONS[record.status],
                "status": "True",
                "reason": status["reason"],
                "message": status["message"],
                "lastTransitionTime": rfc3339(record.completed_at),
            }
        ]
    if record.outputs:
        status["outputs"] = [
            {
                "key": output.key,
                "width": output.width,
                "height": output.height,
                "bytes": output.size_bytes,
                "sha256": output.sha256,
                "seed": output.seed,
            }
            for output in record.outputs
        ]
    return status


def refused_status(code: str, message: str, *, at: datetime) -> dict[str, Any]:
    """The status of a resource that was refused; nothing is reserved or charged for it."""
    reason = camel_case(code)
    return {
        "phase": "Failed",
        "reason": reason,
        "message": message,
        "finishedAt": rfc3339(at),
        "conditions": [
            {
                "type": "Failed",
                "status": "True",
                "reason": reason,
                "message": message,
                "lastTransitionTime": rfc3339(at),
            }
        ],
    }


def suspended_status(record: JobRecord, *, preempted: bool) -> dict[str, Any]:
    """The status of a job whose Job waits in a queue of the cluster's for its pod."""
    words = "Its Job is suspended until its queue admits it."
    if preempted:
        words = f"Its queue gave its place to others, {record.preemptions} time(s) so far. {words}"
    reason = "Preempted" if preempted else "Suspended"
    return job_status(record) | {"phase": "Queued", "reason": reason, "message": words}


def waiting_status(
    entry: JobEntry, queue_position: QueuePosition, *, at: datetime, lacks: Trouble | None = None
) -> dict[str, Any]:
    """The status of a job that has waited for some time: why, as it was at `at`.

    `lacks` says what the installation lacks for jobs such as this one.
    """
    where = f"At {at:%H:%M:%S} UTC, number {queue_position.position} in the queue"
    conditions = {} if lacks is None else {"conditions": [_cannot_start(lacks, at)]}
    return conditions | {
        "phase": "Queued",
        "jobId": entry.job_id,
        "attempts": entry.attempt,
        "queuedAt": rfc3339(entry.created_at),
        "reason": camel_case(queue_position.reason),
        "message": f"{where}: {WAITING[queue_position.reason] if lacks is None else lacks.words}",
        "queue": queue_place(queue_position, at=at),
    }


def _cannot_start(lacks: Trouble, at: datetime) -> dict[str, Any]:
    return {
        "type": "PodsReady",
        "status": "False",
        "reason": lacks.reason,
        "message": lacks.words,
        "lastTransitionTime": rfc3339(at),
    }


def queue_place(queue_position: QueuePosition, *, at: datetime) -> dict[str, Any]:
    """A place in the queue as it was at `at`."""
    place: dict[str, Any] = {
        "position": queue_position.position,
        "reason": camel_case(queue_position.reason),
        "at": rfc3339(at),
    }
    if queue_position.eta_seconds is not None:
        place["estimate"] = rfc3339(at + timedelta(seconds=queue_position.eta_seconds))
    return place


def duration(start: datetime, end: datetime) -> str:
    """A length of time as people write it: `0.8s`, `12s`, `3m4s`."""
    seconds = max(0.0, (end - start).total_seconds())
    if seconds < 10:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _reason(record: JobRecord) -> str:
    if record.status is Status.FAILED and record.error is not None:
        return camel_case(record.error.code)
    if record.status is Status.SUCCEEDED:
        return "OutputsDelivered"
    if record.status is Status.CANCELED:
        return "Canceled"
    return "Waiting" if record.status is Status.QUEUED else "Sent"


def _message(record: JobRecord) -> str:
    if record.status is Status.FAILED and record.error is not None:
        return record.error.message[:MAX_MESSAGE]
    if record.status is Status.SUCCEEDED:
        text = f"{len(record.outputs)} output(s) delivered and charged."
        return text + (f" {len(record.omitted)} omitted." if record.omitted else "")
    if record.status is Status.CANCELED:
        return record.cancel_reason or "Canceled."
    return "Waiting for a slot." if record.status is Status.QUEUED else "Sent to a model server."
