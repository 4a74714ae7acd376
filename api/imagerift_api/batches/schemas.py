"""What clients may send to make a batch."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.requests import SOURCES, StoredSourceBody, source_faults

MAX_BATCH_JOBS = 100
_STORED_SOURCES = SOURCES[1:]


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
            for fault in source_faults(job, _STORED_SOURCES)
        ]


class BatchPath(BaseModel):
    """The path of a batch. Any other id is simply not found."""

    model_config = ConfigDict(alias_generator=to_camel)

    batch_id: str = Field(description="The batch's id.", json_schema_extra={"format": "uuid"})
