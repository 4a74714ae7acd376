"""The `imagerift` command."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from imagerift import choices
from imagerift.choices import Aspect, Format, JobStatus, OnUnclearSubject, Size
from imagerift.client import ImageRift
from imagerift.connection import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE
from imagerift.console import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_JOB_NOT_SUCCEEDED,
    EXIT_USAGE,
    JobProgress,
    describe,
    explain,
    one_line,
    print_json,
    print_line,
    prompt_read,
    say,
    subject_found,
)
from imagerift.errors import ConfigurationError, ImageRiftError, ServerError, Unreachable
from imagerift.jobs import Job
from imagerift.plugins import PluginGroup
from imagerift.saving import prepare, save_pictures

app = typer.Typer(
    cls=PluginGroup,
    help=f"Generate pictures with ImageRift. The API key is read from {KEY_VARIABLE}.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
jobs_app = typer.Typer(help="See, wait for, download and cancel jobs; alone, list them.")
app.add_typer(jobs_app, name="jobs")


def _modes(incomplete: str) -> list[str]:
    return choices.modes(incomplete)


def _presets(ctx: typer.Context, incomplete: str) -> list[str]:
    return choices.presets(ctx.params.get("mode") or "style", incomplete)


_PRESETS_HELP = "A preset of the mode. " + " ".join(
    f"{mode.capitalize()}: {', '.join(presets)}."
    for mode, presets in choices.SHIPPED_PRESETS.items()
    if presets
)
# The key comes from the environment only: an argument would show in the list of processes.
Url = Annotated[str, typer.Option("--url", envvar=URL_VARIABLE, help="Address of the API.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's own JSON.")]
JobId = Annotated[uuid.UUID, typer.Argument(help="Id of the job.", metavar="JOB_ID")]
Folder = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Save the pictures in this folder.", file_okay=False),
]
ModeOption = Annotated[
    str,
    typer.Option(
        help=f"{', '.join(choices.SHIPPED_PRESETS)}, or one of the installation's own.",
        autocompletion=_modes,
    ),
]


def _show_version(value: bool) -> None:
    if value:
        print_line(f"imagerift {version('imagerift')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def generate(
    photo: Annotated[Path, typer.Argument(help="The photo.", exists=True, dir_okay=False)],
    *,
    prompt: Annotated[str | None, typer.Option(help="What to make of it.")] = None,
    mode: ModeOption = "style",
    preset: Annotated[str | None, typer.Option(help=_PRESETS_HELP, autocompletion=_presets)] = None,
    variations: Annotated[int | None, typer.Option(min=1, max=8, help="How many pictures.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="The same seed, the same picture.")
    ] = None,
    aspect: Annotated[Aspect | None, typer.Option(help="Shape of the pictures.")] = None,
    output_format: Annotated[
        Format | None, typer.Option("--format", help="Format of the files.")
    ] = None,
    size: Annotated[Size | None, typer.Option(help="Long edge: 1024, 2048 or 4096 pixels.")] = None,
    on_unclear_subject: Annotated[
        OnUnclearSubject | None,
        typer.Option(help="Where the subject cannot be cut out well: grade the photo, or fail."),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="Your own matte: white is the subject.", exists=True, dir_okay=False),
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Sent twice with the same key, it is accepted once.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job has ended.")] = False,
    output: Folder = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Send a photo; with --wait, stay until its pictures are there.

    Exit codes: 0 accepted or succeeded, 1 refused or unreachable, 2 wrong usage, 3 failed or
    canceled, 130 interrupted.
    """
    if output is not None and not wait:
        say("error: -o needs --wait")
        raise typer.Exit(EXIT_USAGE)
    key = idempotency_key or str(uuid.uuid4())
    with _api(url) as api, JobProgress() as progress:
        if output is not None:
            prepare(output)
        with _maybe_accepted(key):
            job = api.generate(
                mode=mode,
                image=photo,
                prompt=prompt,
                preset=preset,
                export_size=size,
                output_aspect=aspect,
                output_format=output_format,
                variations=variations,
                seed=seed,
                on_unclear_subject=on_unclear_subject,
                mask=mask,
                idempotency_key=key,
            )
        if wait:
            progress.say(f"accepted as job {job.job_id}")
            job = _watched(api, job, progress)
        saved = _saved(api, job, output)
    with _goes_on(job):
        _print(job, saved, as_json=as_json, ended=wait)


@jobs_app.callback(invoke_without_command=True)
def jobs_alone(context: typer.Context, url: Url = DEFAULT_URL) -> None:
    if context.invoked_subcommand is None:
        list_jobs(url=url)


@jobs_app.command("list")
def list_jobs(
    *,
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs of this status.")] = None,
    mode: Annotated[
        str | None, typer.Option(help="Only jobs of this mode.", autocompletion=_modes)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    cursor: Annotated[str | None, typer.Option(help="nextCursor of an earlier page.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List jobs, newest first: id, status, time (UTC), mode, prompt."""
    with _api(url) as api:
        page = api.list_jobs(status=status, mode=mode, limit=limit, cursor=cursor)
    if as_json:
        print_json({"data": [job.raw for job in page.jobs], "nextCursor": page.next_cursor})
        return
    for job in page.jobs:
        print_line(one_line(job))
    if not page.jobs:
        say("no jobs" if status is None and mode is None else "no such jobs")
    if page.next_cursor:
        say(f"more: --cursor {page.next_cursor}")


@jobs_app.command("get")
def get_job(job_id: JobId, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Show a job."""
    with _api(url) as api:
        job = api.get_job(str(job_id))
    _print(job, [], as_json=as_json)


@jobs_app.command("wait")
def wait_for_job(
    job_id: JobId, output: Folder = None, as_json: AsJson = False, url: Url = DEFAULT_URL
) -> None:
    """Wait until a job has ended; with -o, save its pictures. Exit codes as of generate."""
    with _api(url) as api, JobProgress() as progress:
        if output is not None:
            prepare(output)
        job = _watched(api, api.get_job(str(job_id)), progress)
        saved = _saved(api, job, output)
    _print(job, saved, as_json=as_json, ended=True)


@jobs_app.command("download")
def download(
    job_id: JobId,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The folder.", file_okay=False)
    ] = Path(),
    url: Url = DEFAULT_URL,
) -> None:
    """Save the pictures of a job that has succeeded."""
    with _api(url) as api:
        prepare(output)
        job = api.get_job(str(job_id))
        saved = save_pictures(api, job, output)
    if not saved:
        say(f"error: job {job.job_id} has no pictures; it is {job.status}")
        raise typer.Exit(EXIT_FAILED)
    for path in saved:
        print_line(str(path))


@jobs_app.command("cancel")
def cancel_job(job_id: JobId, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Cancel a job; it ends uncharged."""
    with _api(url) as api:
        job = api.cancel(str(job_id))
    _print(job, [], as_json=as_json)


@contextmanager
def _api(url: str) -> Iterator[ImageRift]:
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
def _maybe_accepted(key: str) -> Iterator[None]:
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
def _goes_on(job: Job) -> Iterator[None]:
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


def _watched(api: ImageRift, job: Job, progress: JobProgress) -> Job:
    with _goes_on(job):
        for seen in api.watch(job):
            job = seen
            progress.show(job)
    return job


def _saved(api: ImageRift, job: Job, folder: Path | None) -> list[Path]:
    if folder is None or job.status != "succeeded":
        return []
    with _goes_on(job):
        return save_pictures(api, job, folder)


def _print(job: Job, saved: list[Path], *, as_json: bool, ended: bool = False) -> None:
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


def main() -> int:
    """The program. Where nothing can be printed, on a full disk say, there is no traceback."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        # What was left unprinted would be tried again, and complained of, at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            explain(error)
    return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
