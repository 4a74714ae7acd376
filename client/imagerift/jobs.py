"""Jobs as the API shows them. `raw` keeps all of the answer, also what this version knows not."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

TERMINAL = frozenset({"succeeded", "failed", "canceled"})


@dataclass(frozen=True)
class Output:
    """One picture: its size in pixels and bytes, and URLs that live for ten minutes.

    `variation` and `output` (its place among the requested `outputs`) are None where the server
    does not tell.
    """

    job_id: str
    index: int
    generation_id: str
    seed: int
    width: int
    height: int
    content_type: str
    size_bytes: int
    sha256: str
    download_url: str | None
    thumbnail_url: str | None = None
    variation: int | None = None
    output: int | None = None
    aspect: str | None = None


@dataclass(frozen=True)
class QueuePosition:
    """Estimates; None where the server does not know."""

    position: int | None
    eta_seconds: float | None
    reason: str | None


@dataclass(frozen=True)
class Progress:
    """How far a job is that runs; None where the server does not know.

    `step` of `steps` are those of the variations that are made now, `variation` the first of them,
    0 for the first of all. `share` of the whole job is 0 to 1.
    """

    stage: str
    step: int | None
    steps: int | None
    variation: int
    variations: int
    share: float
    eta_seconds: float | None


@dataclass(frozen=True)
class PartialOutput:
    """A picture that is finished while its job runs; not delivered yet, and not charged.

    `thumbnail_url` lives for ten minutes.
    """

    index: int
    seed: int
    thumbnail_url: str
    variation: int


@dataclass(frozen=True)
class Job:
    """A job at the moment of the answer. `retry_after_seconds` says when to ask again."""

    job_id: str
    status: str
    outputs: list[Output]
    queue: QueuePosition
    download_url: str | None
    error_code: str | None
    error_message: str | None
    raw: dict[str, Any] = field(repr=False)
    retry_after_seconds: float | None = None
    progress: Progress | None = None
    partial_outputs: list[PartialOutput] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True)
class JobPage:
    """Jobs newest first; `next_cursor` is None on the last page."""

    jobs: list[Job]
    next_cursor: str | None


def parse_job(content: dict[str, Any], retry_after: float | None = None) -> Job:
    """Raises `KeyError`, `TypeError` or `ValueError` where `content` is no job.

    The id and the indices are checked, since files are named after them.
    """
    queue = content.get("queue") or {}
    error = content.get("error") or {}
    job_id = str(uuid.UUID(content["jobId"]))
    return Job(
        job_id=job_id,
        status=content["status"],
        outputs=[_output(job_id, item) for item in content.get("outputs") or []],
        queue=QueuePosition(queue.get("position"), queue.get("etaSeconds"), queue.get("reason")),
        download_url=content.get("downloadUrl"),
        error_code=error.get("code"),
        error_message=error.get("message"),
        raw=content,
        retry_after_seconds=retry_after,
        progress=_progress(content.get("progress")),
        partial_outputs=[
            PartialOutput(item["index"], item["seed"], item["thumbnailUrl"], item["variation"])
            for item in content.get("partialOutputs") or []
        ],
    )


def _progress(told: dict[str, Any] | None) -> Progress | None:
    if not told:
        return None
    return Progress(
        stage=told["stage"],
        step=told.get("step"),
        steps=told.get("steps"),
        variation=told["variation"],
        variations=told["variations"],
        share=told["share"],
        eta_seconds=told.get("etaSeconds"),
    )


def _output(job_id: str, item: dict[str, Any]) -> Output:
    index = item["index"]
    if type(index) is not int or index < 0:
        raise ValueError("The index of an output is not a number.")
    return Output(
        job_id=job_id,
        index=index,
        generation_id=item["generationId"],
        seed=item["seed"],
        width=item["width"],
        height=item["height"],
        content_type=item["contentType"],
        size_bytes=item["sizeBytes"],
        sha256=item["sha256"],
        download_url=item.get("downloadUrl"),
        thumbnail_url=item.get("thumbnailUrl"),
        variation=item.get("variation"),
        output=item.get("output"),
        aspect=item.get("aspect"),
    )
