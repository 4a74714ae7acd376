"""What clients may send to make a batch, and what they are answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from imagerift_core.jobs import TERMINAL
from imagerift_core.mongo.batches import Batch
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.shapes import AnswerBody, Time, Uuid
from imagerift_api.jobs.job_object import JOBS_PATH
from imagerift_api.jobs.output_schemas import shape_faults
from imagerift_api.jobs.schemas import RateLimitObject, StoredSourceBody
from imagerift_api.jobs.source_names import STORED_SOURCES, source_faults

BATCHES_PATH = "/api/v1/batches"
MAX_BATCH_JOBS = 100


class BatchBody(RequestBody):
    """The body of a batch: generate bodies, each by `imageKey` or `sourceGenerationId`."""

    model_config = ConfigDict(strict=True)

    jobs: list[StoredSourceBody] = Field(min_length=1, max_length=MAX_BATCH_JOBS)

    @classmethod
    def faults_between_fields(cls, content: dict[str, Any]) -> list[dict[str, str]]:
        jobs = content.get("jobs")
        if not isinstance(jobs, list) or len(jobs) > MAX_BATCH_JOBS:
            return []
        return [
            {**fault, "param": f"jobs.{index}.{fault['param']}"}
            for index, job in enumerate(jobs)
            if isinstance(job, dict)
            for fault in [*source_faults(job, STORED_SOURCES), *shape_faults(job)]
        ]


class BatchPath(BaseModel):
    """The path of a batch. Any other id is simply not found."""

    model_config = ConfigDict(alias_generator=to_camel)

    batch_id: str = Field(description="The batch's id.", json_schema_extra={"format": "uuid"})


class BatchProgress(AnswerBody):
    """How many of the jobs have each status."""

    queued: int
    processing: int
    succeeded: int
    failed: int
    canceled: int
    deleted: int


class BatchUrls(AnswerBody):
    """Paths of what can be done with the batch."""

    itself: str = Field(alias="self")
    cancel: str
    jobs: str


class BatchObject(AnswerBody):
    """A batch: jobs that were accepted together. Each is a job like any other."""

    batch_id: Uuid
    status_url: str
    request_id: str
    created_at: Time
    total: int
    progress: BatchProgress
    done: Annotated[bool, Field(description="Whether every job has ended.")]
    job_ids: Annotated[list[str], Field(description="In the order of the request.")]
    rate_limit: RateLimitObject
    urls: BatchUrls

    @classmethod
    def of(cls, batch: Batch, counts: Mapping[str, int], *, remaining_this_minute: int) -> Self:
        """`counts` is how many of the jobs have each status; deleted ones have none."""
        path = f"{BATCHES_PATH}/{batch.id}"
        # What is in a status of another version's may go on.
        live = sum(number for status, number in counts.items() if status not in TERMINAL)
        return cls(
            batch_id=batch.id,
            status_url=path,
            request_id=batch.request_id,
            created_at=batch.created_at,
            total=len(batch.jobs),
            progress=BatchProgress(
                queued=counts["queued"],
                processing=counts["processing"],
                succeeded=counts["succeeded"],
                failed=counts["failed"],
                canceled=counts["canceled"],
                deleted=len(batch.jobs) - sum(counts.values()),
            ),
            done=live == 0,
            job_ids=batch.jobs,
            rate_limit=RateLimitObject(remaining_this_minute=remaining_this_minute),
            urls=BatchUrls(
                itself=path, cancel=f"{path}/cancel", jobs=f"{JOBS_PATH}?batchId={batch.id}"
            ),
        )
