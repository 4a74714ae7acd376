"""The `imagerift` command."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from imagerift import choices
from imagerift.admin_commands import app as admin_app
from imagerift.calls import GenerateOptions
from imagerift.choices import JobStatus, OnUnclearSubject
from imagerift.connection import DEFAULT_URL, KEY_VARIABLE
from imagerift.console import (
    EXIT_FAILED,
    JobProgress,
    explain,
    one_line,
    print_json,
    print_line,
    say,
)
from imagerift.job_commands import connected, print_job, saved_pictures, submit, watched
from imagerift.options import (
    Align,
    AsJson,
    Background,
    FileFormat,
    Fill,
    Folder,
    Height,
    IdempotencyKey,
    JobId,
    KeepSubject,
    LongEdge,
    Mask,
    NegativePrompt,
    Outputs,
    Padding,
    Photo,
    PhotoOrNone,
    ReferenceKeys,
    Shadow,
    Shape,
    Url,
    Wait,
    Width,
    cutout_of,
    outputs_of,
)
from imagerift.plugins import PluginGroup
from imagerift.saving import prepare, save_pictures

app = typer.Typer(
    cls=PluginGroup,
    help=f"Generate pictures with ImageRift. The API key is read from {KEY_VARIABLE}.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.add_typer(admin_app, name="admin")
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
    photo: PhotoOrNone = None,
    *,
    prompt: Annotated[str | None, typer.Option(help="What to make of it.")] = None,
    mode: ModeOption = "style",
    preset: Annotated[str | None, typer.Option(help=_PRESETS_HELP, autocompletion=_presets)] = None,
    variations: Annotated[int | None, typer.Option(min=1, max=8, help="How many pictures.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="The same seed, the same picture.")
    ] = None,
    aspect: Shape = None,
    output_format: FileFormat = None,
    size: LongEdge = None,
    outputs: Outputs = None,
    on_unclear_subject: Annotated[
        OnUnclearSubject | None,
        typer.Option(
            help="Where the subject cannot be cut out well: grade the photo, or fail; cut "
            "delivers a cut-out or a scene all the same."
        ),
    ] = None,
    mask: Mask = None,
    negative_prompt: NegativePrompt = None,
    keep_subject: KeepSubject = None,
    reference_key: ReferenceKeys = None,
    background: Background = None,
    padding: Padding = None,
    fill: Fill = None,
    align: Align = None,
    shadow: Shadow = None,
    width: Width = None,
    height: Height = None,
    idempotency_key: IdempotencyKey = None,
    wait: Wait = False,
    output: Folder = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Send a photo, or a prompt alone; with --wait, stay until its pictures are there.

    Exit codes: 0 accepted or succeeded, 1 refused or unreachable, 2 wrong usage, 3 failed or
    canceled, 130 interrupted.
    """
    asked = GenerateOptions(
        mode=mode,
        image=photo,
        prompt=prompt,
        preset=preset,
        export_size=size,
        output_aspect=aspect,
        output_format=output_format,
        outputs=outputs_of(outputs),
        variations=variations,
        seed=seed,
        on_unclear_subject=on_unclear_subject,
        mask=mask,
        negative_prompt=negative_prompt,
        keep_subject=keep_subject,
        reference_keys=reference_key or None,
        cutout=cutout_of(
            background=background, padding=padding, fill=fill, align=align, shadow=shadow,
            width=width, height=height,
        ),
        idempotency_key=idempotency_key,
    )  # fmt: skip
    submit(asked, url, output=output, wait=wait, as_json=as_json)


@app.command()
def cutout(
    photo: Photo,
    *,
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"{' or '.join(choices.SHIPPED_PRESETS['cutout'])}; the other options come on top."
        ),
    ] = None,
    background: Background = None,
    padding: Padding = None,
    fill: Fill = None,
    align: Align = None,
    shadow: Shadow = None,
    width: Width = None,
    height: Height = None,
    aspect: Shape = None,
    output_format: FileFormat = None,
    size: LongEdge = None,
    outputs: Outputs = None,
    even_if_unclear: Annotated[
        bool, typer.Option("--even-if-unclear", help="Deliver it also where it is in doubt.")
    ] = False,
    mask: Mask = None,
    idempotency_key: IdempotencyKey = None,
    wait: Wait = False,
    output: Folder = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Cut the subject out of a photo: generate --mode cutout. Exit codes as of generate."""
    asked = GenerateOptions(
        mode="cutout",
        image=photo,
        preset=preset,
        export_size=size,
        output_aspect=aspect,
        output_format=output_format,
        outputs=outputs_of(outputs),
        on_unclear_subject="cut" if even_if_unclear else None,
        mask=mask,
        cutout=cutout_of(
            background=background, padding=padding, fill=fill, align=align, shadow=shadow,
            width=width, height=height,
        ),
        idempotency_key=idempotency_key,
    )  # fmt: skip
    submit(asked, url, output=output, wait=wait, as_json=as_json)


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
    with connected(url) as api:
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
    with connected(url) as api:
        job = api.get_job(str(job_id))
    print_job(job, [], as_json=as_json)


@jobs_app.command("wait")
def wait_for_job(
    job_id: JobId, output: Folder = None, as_json: AsJson = False, url: Url = DEFAULT_URL
) -> None:
    """Wait until a job has ended; with -o, save its pictures. Exit codes as of generate."""
    with connected(url) as api, JobProgress() as progress:
        if output is not None:
            prepare(output)
        job = watched(api, api.get_job(str(job_id)), progress)
        saved = saved_pictures(api, job, output)
    print_job(job, saved, as_json=as_json, ended=True)


@jobs_app.command("download")
def download(
    job_id: JobId,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The folder.", file_okay=False)
    ] = Path(),
    url: Url = DEFAULT_URL,
) -> None:
    """Save the pictures of a job that has succeeded."""
    with connected(url) as api:
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
    with connected(url) as api:
        job = api.cancel(str(job_id))
    print_job(job, [], as_json=as_json)


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
