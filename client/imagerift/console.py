"""What the commands say: data on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from imagerift.errors import ApiError, ImageRiftError
from imagerift.jobs import Job
from imagerift.jobs import Progress as JobsProgress

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_JOB_NOT_SUCCEEDED = 3
EXIT_INTERRUPTED = 130

_PROMPT_CHARACTERS = 40
_IGNORED = {
    "unknown": "",
    "conflict": " (other words went before)",
    "impossible": " (not in this picture)",
}
_SUBJECT = {
    "none": "nothing stands out",
    "doubt": "its cut-out is in doubt",
    "close_up": "the frame cuts it on several sides",
}
_STAGES = {
    "fetch": "fetching the photo",
    "decode": "reading the photo",
    "moderate": "looking it over",
    "waiting": "waiting for the model",
    "model": "making the picture",
    "encode": "writing the picture",
    "upload": "writing the picture",
}
_REASONS = {
    "waiting_for_turn": "waiting for its turn",
    "waiting_for_slot": "every slot is taken",
    "model_loading": "the model is loading",
    "pool_unavailable": "no model server is ready",
    "workspace_concurrency": "other jobs of this workspace come first",
}


def say(text: str) -> None:
    sys.stderr.write(_plain(text) + "\n")


def print_line(text: str) -> None:
    """Data for people or a pipe. Raises `OSError` where it cannot be written."""
    sys.stdout.write(_plain(text) + "\n")
    sys.stdout.flush()


def print_json(content: Any) -> None:
    """Raises `OSError` where it cannot be written."""
    sys.stdout.write(json.dumps(content, indent=2) + "\n")
    sys.stdout.flush()


def explain(error: ImageRiftError | OSError) -> None:
    """Says what went wrong, without a traceback."""
    if isinstance(error, ApiError):
        say(f"error: {error.detail} [{error.code}]")
        for fault in error.errors[1:]:
            say(f"  {fault.get('param')}: {fault.get('message')}")
        if error.request_id:
            say(f"  request {error.request_id}")
    elif isinstance(error, OSError) and error.strerror:
        say(f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror}")
    else:
        say(f"error: {error}")


def describe(job: Job) -> str:
    """One line on where a job is."""
    if job.progress is not None:
        return ", ".join([job.status, *_progress_parts(job.progress)])
    if job.status != "queued":
        return job.status
    parts = ["queued"]
    if job.queue.position is not None:
        parts.append(f"place {job.queue.position}")
    if job.queue.eta_seconds is not None:
        parts.append(f"about {round(job.queue.eta_seconds)} s")
    if job.queue.reason:
        parts.append(_REASONS.get(job.queue.reason, job.queue.reason))
    return ", ".join(parts)


def _progress_parts(progress: JobsProgress) -> list[str]:
    parts = [_STAGES.get(progress.stage, progress.stage)]
    if progress.step is not None and progress.stage == "model":
        parts = [f"step {progress.step} of {progress.steps}"]
    if progress.variations > 1:
        parts.append(f"variation {progress.variation + 1} of {progress.variations}")
    if progress.eta_seconds is not None:
        parts.append(f"about {round(progress.eta_seconds)} s left")
    return parts


class EarlyPictures:
    """Tells of each picture that is finished before its job, once, with where its thumbnail is."""

    def __init__(self) -> None:
        self._told: set[int] = set()

    def news(self, job: Job) -> list[str]:
        """Lines on the pictures that are new."""
        new = [one for one in job.partial_outputs if one.index not in self._told]
        self._told |= {one.index for one in new}
        return [
            f"picture {one.index + 1} (seed {one.seed}) is finished: {one.thumbnail_url}"
            for one in new
        ]


def prompt_read(job: Job) -> list[str]:
    """Lines on what the model understood of the prompt; none where it does not tell."""
    read = (job.raw.get("analysis") or {}).get("promptRead")
    if not read:
        return []
    lines = [f"preset {read['preset']} ({read['why']})"]
    lines += [
        f"applied: {item['part']} {item['value']} ({item['words']})" for item in read["applied"]
    ]
    lines += [
        f"without effect: {item['words']}{_IGNORED.get(item['reason'], '')}"
        for item in read["ignored"]
    ]
    return lines


def subject_found(job: Job) -> list[str]:
    """A line where the subject was not cut out, and why; none where it was."""
    subject = (job.raw.get("analysis") or {}).get("subject")
    if not subject or subject["treatment"] == "cut_out":
        return []
    why = _SUBJECT.get(subject["reason"], subject["reason"])
    return [f"subject not cut out: {why}; the whole picture was graded"]


def one_line(job: Job) -> str:
    """A job in a list: its id, status, time, mode, and the beginning of its prompt."""
    raw = job.raw
    words = _plain(" ".join(str(raw.get("prompt") or "").split()))
    shown = words if len(words) <= _PROMPT_CHARACTERS else words[: _PROMPT_CHARACTERS - 1] + "…"
    created = str(raw.get("createdAt") or "")[:19] + "Z"
    columns = [job.job_id, f"{job.status:<10}", created, f"{raw.get('mode') or '':<8}", shown]
    return "  ".join(columns).rstrip()


class JobProgress:
    """A bar on standard error; without a terminal, a line at each change."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bar: Progress | None = None
        self._last = ""
        if console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                BarColumn(bar_width=24),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                console=console,
            )
            self._task = self._bar.add_task("sending", total=1)

    def __enter__(self) -> JobProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """A line that stays, above the bar."""
        if self._bar is not None:
            self._bar.console.print(_plain(text), markup=False, highlight=False)
        else:
            say(text)

    def show(self, job: Job) -> None:
        text = describe(job)
        if self._bar is not None:
            share = job.progress.share if job.progress is not None else float(job.ended)
            self._bar.update(self._task, completed=share, description=text)
        elif text != self._last:
            say(text)
        self._last = text


def _plain(text: str) -> str:
    """Text of somebody else's without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
