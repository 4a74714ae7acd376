"""What commands do with a job: submit, watch, save, print, and say what goes wrong meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from imagerift.calls import GenerateOptions
from imagerift.client import ImageRift
from imagerift.console import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_JOB_NOT_SUCCEEDED,
    EXIT_USAGE,
    EarlyPictures,
    JobProgress,
    describe,
    explain,
    print_json,
    print_line,
    prompt_read,
    say,
    subject_found,
)
from imagerift.errors import ConfigurationError, ImageRiftError, ServerError, Unreachable
from imagerift.jobs import Job
from imagerift.saving import prepare, save_pictures


def submit(
    asked: GenerateOptions, url: str, *, output: Path | None, wait: bool, as_json: bool
) -> None:
    """Sends a submit; with `wait`, stays until it has ended, and saves its pictures."""
    if output is not None and not wait:
        say("error: -o needs --wait")
        raise typer.Exit(EXIT_USAGE)
    key = asked.get("idempotency_key") or str(uuid.uuid4())
    asked["idempotency_key"] = key
    with connected(url) as api, JobProgress() as progress:
        if output is not None:
            prepare(output)
        with maybe_accepted(key):
            job = api.generate(**asked)
        if wait:
            progress.say(f"accepted as job {job.job_id}")
            job = watched(api, job, progress)
        saved = saved_pictures(api, job, output)
    with goes_on(job):
        print_job(job, saved, as_json=as_json, ended=wait)


@contextmanager
def connected(url: str) -> Iterator[ImageRift]:
    try:
        with ImageRift(url) as api:
            yield api
    except ConfigurationError as error:
        explain(error)
        raise typer.Exit(EXIT_USAGE) from None
    except (ImageRiftError, OSError) as error:
        explain(error)
        raise typer.Exit(EXIT_FAILED) from None


@contextmanager
def maybe_accepted(key: str) -> Iterator[None]:
    """Where no answer comes to a submit, says how to send it again without a second job."""
    try:
        yield
    except (KeyboardInterrupt, Unreachable, ServerError) as error:
        if not isinstance(error, KeyboardInterrupt):
            explain(error)
        say("whether the job was accepted is not known; the same command is accepted once with")
        say(f"  --idempotency-key {key}")
        raise typer.Exit(_code_of(error)) from None


@contextmanager
def goes_on(job: Job) -> Iterator[None]:
    """Whatever ends the wait for an accepted job, says that it goes on and how to come back."""
    try:
        yield
    except (KeyboardInterrupt, ImageRiftError, OSError) as error:
        if not isinstance(error, KeyboardInterrupt):
            explain(error)
        say(f"job {job.job_id} {'goes on' if not job.ended else 'has its pictures'}:")
        if not job.ended:
            say(f"  imagerift jobs wait {job.job_id} -o FOLDER")
            say(f"  imagerift jobs cancel {job.job_id}")
        else:
            say(f"  imagerift jobs download {job.job_id} -o FOLDER")
        raise typer.Exit(_code_of(error)) from None


def _code_of(error: BaseException) -> int:
    return EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else EXIT_FAILED


def watched(api: ImageRift, job: Job, progress: JobProgress) -> Job:
    early = EarlyPictures()
    with goes_on(job):
        for seen in api.watch(job):
            job = seen
            for line in early.news(job):
                progress.say(line)
            progress.show(job)
    return job


def saved_pictures(api: ImageRift, job: Job, folder: Path | None) -> list[Path]:
    if folder is None or job.status != "succeeded":
        return []
    with goes_on(job):
        return save_pictures(api, job, folder)


def print_job(job: Job, saved: list[Path], *, as_json: bool, ended: bool = False) -> None:
    """The job, and where its pictures are; one that was waited for and failed exits so."""
    if as_json:
        print_json(job.raw)
    else:
        print_line(f"{job.job_id}  {describe(job)}")
        if job.error_code:
            say(f"error: {job.error_message} [{job.error_code}]")
        for line in [*prompt_read(job), *subject_found(job)]:
            say(line)
        urls = [output.download_url or "" for output in job.outputs]
        for place in [str(path) for path in saved] or urls:
            print_line(place)
    if ended and job.status != "succeeded":
        raise typer.Exit(EXIT_JOB_NOT_SUCCEEDED)
