"""One attempt as plain values: what is sent to the model server, and what its answer means."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from imagerift_contract.values import CONTENT_TYPES, THUMBNAIL_TYPE
from imagerift_core.ids import new_generation_id
from imagerift_core.jobs import MAX_ATTEMPTS, Analysis, JobError, JobRecord, OmittedOutput, Output
from imagerift_core.model_documents import (
    GenerateRequest,
    ModelAnswer,
    ModelProblem,
    RequestedMask,
    RequestedReference,
    RequestedSource,
    Target,
    WantedOutput,
)
from imagerift_core.object_keys import output_key, thumbnail_key
from imagerift_core.settlement_rules import Settlement, backoff_seconds, may_retry
from pydantic import ValidationError

# What a model says when the bucket is away; where it is retryable, the job is not at fault.
STORAGE_CODES = frozenset({"input_unavailable", "output_upload_failed"})
# Ends of an attempt that are not the job's failure.
CANCELED = "canceled"
NOT_SENT = "not_sent"


@dataclass(frozen=True)
class Signer:
    """Signs the URLs of one attempt: a GET of a key, a PUT of a key and content type."""

    get: Callable[[str], str]
    put: Callable[[str, str], str]


def attempt_id(job_id: str, attempt: int) -> str:
    return f"{job_id}/{attempt}"


def build_request(
    record: JobRecord,
    seconds_left: float,
    signer: Signer,
    gate: str | None = None,
    *,
    wait_seconds: float = 0.0,
) -> dict[str, Any]:
    """The REQUEST of a claimed attempt; the URLs that `signer` signs are kept nowhere else.

    `gate` is the safety gate that must judge it, None where the installation asks for none.
    """
    spec = record.spec
    request = GenerateRequest(
        attempt_id=attempt_id(record.id, record.attempt),
        seconds_left=seconds_left,
        wait_seconds=wait_seconds,
        source=RequestedSource(url=signer.get(record.source.key)),
        mask=record.mask and RequestedMask(url=signer.get(record.mask.key)),
        references=[RequestedReference(url=signer.get(each.key)) for each in record.references],
        mode=spec.mode,
        preset=spec.preset,
        prompt=spec.prompt,
        seed=spec.seed,
        variations=spec.variations,
        export_size=spec.export_size,
        output_aspect=spec.output_aspect,
        output_format=spec.output_format,
        on_unclear_subject=spec.on_unclear_subject,
        cutout=spec.cutout,
        negative_prompt=spec.negative_prompt,
        keep_subject=spec.keep_subject,
        outputs=spec.outputs and [WantedOutput(**dict(each)) for each in spec.outputs],
        gate=gate,
        targets=[_target(record, index, signer) for index in range(spec.pictures)],
    )
    without = {name for name in ("outputs", "references", "gate") if not getattr(request, name)}
    return request.model_dump(mode="json", by_alias=True, exclude=without)


def _target(record: JobRecord, index: int, signer: Signer) -> Target:
    content_type = CONTENT_TYPES[record.spec.shape_of(index).format]
    return Target(
        index=index,
        url=signer.put(_key(record, index), content_type),
        content_type=content_type,
        thumbnail_url=signer.put(_thumbnail_key(record, index), THUMBNAIL_TYPE),
    )


def read_answer(answer: dict[str, Any]) -> ModelAnswer:
    """The model's answer; one that breaks the contract is a `model_error`."""
    try:
        return ModelAnswer.model_validate(answer)
    except ValidationError:
        problem = ModelProblem(
            code="model_error", message="The model's answer breaks the contract.", retryable=False
        )
        return ModelAnswer(error=problem)


def settlement_of(record: JobRecord, owner: str, answer: ModelAnswer) -> Settlement:
    """How the attempt ended. Outputs that were not asked for are left out."""
    wanted = range(record.spec.pictures)
    outputs = {
        output.index: Output(
            index=output.index,
            generation_id=new_generation_id(),
            key=_key(record, output.index),
            seed=output.seed,
            width=output.width,
            height=output.height,
            content_type=output.content_type,
            size_bytes=output.size_bytes,
            sha256=output.sha256,
            thumbnail_key=_thumbnail_key(record, output.index) if output.thumbnail else None,
        )
        for output in answer.outputs
        if output.index in wanted
    }
    return Settlement(
        job_id=record.id,
        attempt=record.attempt,
        owner=owner,
        outputs=[outputs[index] for index in sorted(outputs)],
        omitted=[OmittedOutput(**each.model_dump()) for each in answer.omitted],
        error=None if outputs else job_error(answer.error),
        models=answer.models,
        preset_used=answer.preset,
        stage_ms=answer.metrics,
        analysis=answer.analysis and Analysis(**answer.analysis.model_dump()),
    )


def failed_settlement(record: JobRecord, owner: str, error: JobError) -> Settlement:
    return Settlement(job_id=record.id, attempt=record.attempt, owner=owner, error=error)


def job_error(problem: ModelProblem | None) -> JobError:
    """A model's problem as a job's error; a code that is not ours becomes `model_error`."""
    if problem is None:
        return JobError(code="model_error", message="The model delivered no output.")
    try:
        return JobError.model_validate(problem.model_dump())
    except ValidationError:
        return JobError(
            code="model_error", message="The model failed.", retryable=problem.retryable
        )


def attempt_error(record: JobRecord, problem: ModelProblem, *, at: datetime) -> JobError:
    """The error of an attempt that ended `at`; a timeout is retryable before the job's deadline."""
    error = job_error(problem)
    if error.code == "timeout" and record.deadline_at is not None and at < record.deadline_at:
        return error.model_copy(update={"retryable": True})
    return error


@dataclass(frozen=True)
class NextAttempt:
    """How a job is queued again: whether its last attempt counts as failed, and from when on."""

    failed: bool
    not_before: datetime | None


def next_attempt(record: JobRecord, problem: ModelProblem, *, at: datetime) -> NextAttempt | None:
    """How a job is queued again whose attempt delivered nothing; None where it fails.

    An attempt that never began or was given up goes back at once. While the bucket is away the
    job waits, longer each time, and only the cap on attempts ends that. A failure of its own
    counts against the backoff limit.
    """
    if problem.code in {NOT_SENT, CANCELED}:
        return NextAttempt(failed=False, not_before=None)
    if problem.retryable and problem.code in STORAGE_CODES and record.attempt < MAX_ATTEMPTS:
        pause = timedelta(seconds=backoff_seconds(record.attempt))
        return NextAttempt(failed=False, not_before=at + pause)
    failed = record.model_copy(update={"failures": record.failures + 1})
    if may_retry(failed, attempt_error(record, problem, at=at)):
        pause = timedelta(seconds=backoff_seconds(failed.failures))
        return NextAttempt(failed=True, not_before=at + pause)
    return None


def without_urls(text: str) -> str:
    """`text` for a log: without URLs, in which signatures stand, and cut to 500 characters."""
    return re.sub(r"\w+://\S+", "[url]", text)[:500]


def output_keys(record: JobRecord, index: int) -> tuple[str, str]:
    """Where the attempt's output of that index lies, and its thumbnail."""
    return _key(record, index), _thumbnail_key(record, index)


def _thumbnail_key(record: JobRecord, index: int) -> str:
    return thumbnail_key(record.workspace, record.id, record.attempt, index)


def _key(record: JobRecord, index: int) -> str:
    file_format = record.spec.shape_of(index).format
    return output_key(record.workspace, record.id, record.attempt, index, file_format)
