"""The shape of every refusal, and an example of each code made by the code that makes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, NotRequired

from imagerift_core.errors import (
    CapacityUnavailable,
    DomainError,
    InvalidRequest,
    OutcomeUnknown,
    QueueFull,
    QuotaExhausted,
    RateLimited,
    UploadsFull,
)
from pydantic import Field
from typing_extensions import TypedDict

from imagerift_api.http.problems import KINDS, problem_of
from imagerift_api.http.shapes import closed

EXAMPLE_REQUEST_ID = "req_0h2M4pXv7TqWc9LrJ8Ks"
_EXAMPLE_JOB_ID = "0d14c65d-aea2-4a7a-8149-2f9a8cec732e"


@closed
class ProblemError(TypedDict):
    """One fault of a request."""

    param: Annotated[str, Field(description="The field, parameter or header at fault.")]
    message: str


@closed
class ProblemObject(TypedDict):
    """A refusal (RFC 9457). `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    instance: str
    code: str
    param: Annotated[str | None, Field(description="The first field at fault.")]
    errors: Annotated[list[ProblemError], Field(description="Every field at fault.")]
    requestId: str
    retryable: Annotated[bool, Field(description="Whether the same request may go through later.")]
    limit: NotRequired[Annotated[int, Field(description="The limit that was met.")]]
    units: NotRequired[Annotated[int, Field(description="Units that were asked for.")]]
    charged: NotRequired[int]
    reserved: NotRequired[int]
    resetsAt: NotRequired[datetime]
    jobId: NotRequired[Annotated[str, Field(description="The job that may have been accepted.")]]
    batchId: NotRequired[
        Annotated[str, Field(description="The batch that may have been accepted.")]
    ]
    settledBy: NotRequired[
        Annotated[datetime, Field(description="From when on reading it tells for good.")]
    ]


def problem_example(code: str, instance: str) -> dict[str, Any]:
    """What a refusal with this code looks like."""
    problem = problem_of(_example_error(code))
    return problem.body(instance=instance, request_id=EXAMPLE_REQUEST_ID)


def _example_error(code: str) -> DomainError:
    if code == QuotaExhausted.code:
        resets_at = datetime(2026, 12, 1, tzinfo=UTC)
        return QuotaExhausted(units=2, limit=1000, charged=990, reserved=9, resets_at=resets_at)
    if code == QueueFull.code:
        return QueueFull(units=2, limit=200, reserved=199)
    if code == UploadsFull.code:
        return UploadsFull(size=1_048_576, limit=2**30, kept=2**30)
    if code == RateLimited.code:
        return RateLimited(limit=120, retry_after_seconds=21)
    if code == CapacityUnavailable.code:
        return CapacityUnavailable("The job store does not answer.")
    if code == OutcomeUnknown.code:
        return OutcomeUnknown(
            ids={"jobId": _EXAMPLE_JOB_ID}, settled_by=datetime(2026, 11, 27, 9, 1, 30, tzinfo=UTC)
        )
    if code == InvalidRequest.code:
        fault = {"param": "variations", "message": "Input should be less than or equal to 8."}
        return InvalidRequest(
            f"{fault['param']}: {fault['message']}", param="variations", errors=[fault]
        )
    error = DomainError(f"{KINDS[code][1]}.")
    error.code = code
    return error
