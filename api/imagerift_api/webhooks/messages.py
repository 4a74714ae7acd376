"""What a webhook says: the event, and the job as a list shows it."""

from __future__ import annotations

from typing import Any

import orjson
from imagerift_core.clock import rfc3339
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.deliveries import Delivery

from imagerift_api.jobs.job_object import job_object, job_path

# True only at the moment of an answer, so not part of a message.
_PASSING = {"queue", "rate_limit"}


def message(delivery: Delivery, record: JobRecord | None) -> bytes:
    """The body: `type`, `timestamp` and `data`, the job without URLs.

    Where the job was deleted since, its id and end are all that is left to tell.
    """
    data: dict[str, Any]
    if record is None:
        status = delivery.event.removeprefix("job.")
        path = job_path(delivery.job)
        data = {"jobId": delivery.job, "status": status, "statusUrl": path, "deleted": True}
    else:
        shown = job_object(record, remaining_this_minute=0)
        data = shown.model_dump(mode="json", exclude=_PASSING)
    return orjson.dumps(
        {"type": delivery.event, "timestamp": rfc3339(delivery.created_at), "data": data}
    )
