"""A service as a version to come might be: `python -m tests.support.newer_version MODULE`.

The same code, whose tables know more: it writes words and members that this version has not, and
keeps this version from running what asks for them (`schema_version`).
"""

from __future__ import annotations

import runpy
import sys
from typing import Any

import imagerift_core.jobs
import imagerift_core.mongo.claims
from imagerift_core.jobs import JobError, JobRecord
from imagerift_core.model_documents import ModelProblem
from imagerift_core.mongo.scheduler_snapshot import SchedulerSnapshot
from imagerift_core.stored import read
from imagerift_operator import attempt_codec

# What this version does not know.
MODE = "hologram"
ERROR = "out_of_credit"
REASON = "waiting_for_rain"
VERSION = imagerift_core.jobs.SCHEMA_VERSION + 1


def stored(record: JobRecord) -> dict[str, Any]:
    """The record with members of the newer version, which alone may run the new mode."""
    document: dict[str, Any] = _document(record)
    more = {"later": {"since": "the next version"}}
    version = VERSION if record.spec.mode == MODE else VERSION - 1
    parts = {name: dict(document[name]) | more for name in ("spec", "source", "quota")}
    return document | more | parts | {"schema_version": version}


def error_of(problem: ModelProblem | None) -> JobError:
    """A model's problem, of which one more kind is known."""
    if problem is not None and problem.code == ERROR:
        return read(JobError, problem.model_dump())
    known: JobError = _error_of(problem)
    return known


def snapshot_of(snapshot: SchedulerSnapshot, **options: Any) -> dict[str, Any]:
    """The queue, whose jobs wait for a new reason."""
    document: dict[str, Any] = _snapshot(snapshot, **options)
    for place in document["places"].values():
        place |= {"reason": REASON, "later": 1}
    return document


_document: Any = JobRecord.document
_snapshot: Any = SchedulerSnapshot.model_dump
_error_of: Any = attempt_codec.job_error


def main() -> None:
    module = sys.argv.pop(1)
    for part in (imagerift_core.jobs, imagerift_core.mongo.claims):
        vars(part)["SCHEMA_VERSION"] = VERSION
    setattr(JobRecord, "document", stored)  # noqa: B010 - what this module is for
    setattr(SchedulerSnapshot, "model_dump", snapshot_of)  # noqa: B010
    attempt_codec.job_error = error_of
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
