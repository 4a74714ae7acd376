"""The `imagerift` command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from imagerift.client import ImageRift
from imagerift.console import (
    EXIT_JOB_NOT_SUCCEEDED,
    EXIT_USAGE,
    JobProgress,
    describe,
    fail,
    one_line,
    print_json,
    say,
)
from imagerift.errors import ImageRiftError
from imagerift.jobs import Job
from imagerift.plugins import PluginGroup

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

app = typer.Typer(
    cls=PluginGroup,
    help="Generate pictures with ImageRift.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
jobs_app = typer.Typer(help="See and cancel jobs; alone, list them.")
app.add_typer(jobs_app, name="jobs")

Url = Annotated[str, typer.Option("--url", envvar="IMAGERIFT_API_URL", help="Address of the API.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the job as JSON.")]
JobId = Annotated[str, typer.Argument(help="Id of the job.")]
DEFAULT_URL = "http://127.0.0.1:8080"


@app.command()
def generate(
    photo: Annotated[Path, typer.Argument(help="JPEG, PNG or WebP.", exists=True, dir_okay=False)],
    *,
    prompt: Annotated[str | None, typer.Option(help="What to make of it.")] = None,
    mode: Annotated[str, typer.Option(help="Mode.")] = "style",
    preset: Annotated[str | None, typer.Option(help="A preset of the mode.")] = None,
    variations: Annotated[int | None, typer.Option(help="1 to 8 pictures.")] = None,
    seed: Annotated[int | None, typer.Option(help="0 to 4294967295.")] = None,
    aspect: Annotated[str | None, typer.Option(help="source, 1:1, 4:5, 16:9 …")] = None,
    output_format: Annotated[
        str | None, typer.Option("--format", help="png, jpeg or webp.")
    ] = None,
    size: Annotated[str | None, typer.Option(help="base, 2k or 4k.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job has ended.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Save the pictures in this folder.")
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Send a photo; with --wait, stay until its pictures are there.

    Exit codes: 0 accepted or succeeded, 1 refused or unreachable, 2 wrong usage, 3 failed or
    canceled.
    """
    if output is not None and not wait:
        say("error: -o needs --wait")
        raise typer.Exit(EXIT_USAGE)
    with _api(url) as api:
        with JobProgress() as progress:
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
            )
            if wait:
                for seen in api.watch(job):
                    job = seen
                    progress.show(job)
        saved = _save(api, job, output) if output is not None else []
    if as_json:
        print_json(job.raw)
    else:
        _print_plain(job, saved, waited=wait)
    _exit_with(job, waited=wait)


@jobs_app.callback(invoke_without_command=True)
def jobs_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_jobs(url=os.environ.get("IMAGERIFT_API_URL", DEFAULT_URL))


@jobs_app.command("list")
def list_jobs(
    *,
    status: Annotated[str | None, typer.Option(help="Only jobs of this status.")] = None,
    mode: Annotated[str | None, typer.Option(help="Only jobs of this mode.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    cursor: Annotated[str | None, typer.Option(help="nextCursor of an earlier page.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List jobs, newest first."""
    with _api(url) as api:
        page = api.list_jobs(status=status, mode=mode, limit=limit, cursor=cursor)
    if as_json:
        print_json({"data": [job.raw for job in page.jobs], "nextCursor": page.next_cursor})
        return
    for job in page.jobs:
        typer.echo(one_line(job))
    if page.next_cursor:
        say(f"more: --cursor {page.next_cursor}")


@jobs_app.command("get")
def get_job(job_id: JobId, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Show a job."""
    with _api(url) as api:
        job = api.get_job(job_id)
    _print(job, as_json)


@jobs_app.command("cancel")
def cancel_job(job_id: JobId, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Cancel a job; it ends uncharged."""
    with _api(url) as api:
        job = api.cancel(job_id)
    _print(job, as_json)


@contextmanager
def _api(url: str) -> Iterator[ImageRift]:
    # From the environment only: an argument would show in the list of processes.
    key = os.environ.get("IMAGERIFT_API_KEY", "")
    if not key:
        say("error: set IMAGERIFT_API_KEY to your API key")
        raise typer.Exit(EXIT_USAGE)
    with ImageRift(url, key) as api:
        try:
            yield api
        except ImageRiftError as error:
            fail(error)


def _save(api: ImageRift, job: Job, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    saved = []
    for output in job.outputs:
        extension = _EXTENSIONS.get(output.content_type, "bin")
        path = folder / f"{job.job_id}-{output.index}.{extension}"
        path.write_bytes(api.download(output))
        saved.append(path)
    return saved


def _print(job: Job, as_json: bool) -> None:
    if as_json:
        print_json(job.raw)
    else:
        _print_plain(job, [], waited=True)


def _print_plain(job: Job, saved: list[Path], *, waited: bool) -> None:
    typer.echo(f"{job.job_id}  {describe(job)}")
    if job.error_code:
        say(f"error: {job.error_message} [{job.error_code}]")
    for path in saved:
        typer.echo(str(path))
    if not saved and waited:
        for output in job.outputs:
            typer.echo(output.download_url or output.generation_id)


def _exit_with(job: Job, *, waited: bool) -> None:
    if waited and job.status != "succeeded":
        raise typer.Exit(EXIT_JOB_NOT_SUCCEEDED)


if __name__ == "__main__":
    app()
