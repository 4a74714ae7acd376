"""Each call as a value: what to send, and how to read the answer. No network in here."""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypedDict, TypeVar
from urllib.parse import quote

import httpx

from imagerift.answers import content_of, retry_after
from imagerift.errors import ImageRiftError, Unreachable
from imagerift.jobs import Job, JobPage, Output, parse_job

Answer = TypeVar("Answer")
# What the object store says to a signed URL whose time is over.
EXPIRED_STATUS = 403
# A picture's bytes, the path of its file, or a file that is open for reading bytes.
Source = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """A request to the API. `repeatable` is one that may be sent again though no answer came."""

    method: str
    path: str
    read: Callable[[httpx.Response], Answer]
    json: Any = None
    params: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    repeatable: bool = True


class Cutout(TypedDict, total=False):
    """What a cut-out is to look like; what is left out is the preset's to choose.

    `background` is `transparent` or `#rrggbb`; `padding` and `fill` are shares of the canvas;
    `width` and `height`, in pixels, come together.
    """

    background: str
    padding: float
    fill: float
    align: str
    shadow: str
    width: int
    height: int


class RequestedOutput(TypedDict, total=False):
    """One shape of each variation; what is left out is `source`, `base` and `png`."""

    aspect: str
    size: str
    format: str


class GenerateOptions(TypedDict, total=False):
    """What a submit may say. What is left out or None is not sent: the server's defaults hold.

    `image` is the picture's bytes, the path of its file, or a file open for reading bytes; so is
    `mask`, the caller's own matte: opaque or white where the subject is.
    `reference_keys` name more pictures that are looked at, as `image_key` does.
    `outputs` are shapes to make each variation in, in place of `export_size`, `output_aspect` and
    `output_format`.
    `idempotency_key` names this submit; without one a random one is sent, so that it is safe to
    send again.
    """

    mode: str
    image: Source | None
    image_key: str | None
    mask: Source | None
    mask_key: str | None
    source_generation_id: str | None
    prompt: str | None
    preset: str | None
    export_size: str | None
    output_aspect: str | None
    output_format: str | None
    on_unclear_subject: str | None
    cutout: Cutout | None
    negative_prompt: str | None
    keep_subject: bool | None
    reference_keys: Sequence[str] | None
    outputs: Sequence[RequestedOutput] | None
    variations: int | None
    seed: int | None
    metadata: dict[str, str] | None
    webhook_url: str | None
    deadline_seconds: int | None
    idempotency_key: str | None


class ListOptions(TypedDict, total=False):
    """Filters of a list. Times are RFC 3339; `limit` is 1 to 100."""

    status: str | None
    mode: str | None
    created_after: str | None
    created_before: str | None
    limit: int | None
    cursor: str | None


def generate(options: GenerateOptions) -> Call[Job]:
    rest: dict[str, Any] = dict(options)
    image, mask = options.get("image"), options.get("mask")
    key = rest.pop("idempotency_key", None) or str(uuid.uuid4())
    body: dict[str, Any] = {
        "mode": "style",
        "imageBase64": None if image is None else _encoded(image),
        "maskBase64": None if mask is None else _encoded(mask),
    }
    rest.pop("image", None)
    rest.pop("mask", None)
    body |= {_camel(name): value for name, value in rest.items()}
    return Call(
        "POST",
        "/api/v1/generate",
        _job,
        json=_given(body),
        headers={"Idempotency-Key": str(key)},
    )


def get_job(job_id: str) -> Call[Job]:
    return Call("GET", _path(job_id), _job)


def cancel(job_id: str) -> Call[Job]:
    return Call("POST", f"{_path(job_id)}/cancel", _job)


def delete(job_id: str) -> Call[None]:
    # A second one would be told that there is no such job.
    return Call("DELETE", _path(job_id), lambda _answer: None, repeatable=False)


def list_jobs(options: ListOptions) -> Call[JobPage]:
    query = {_camel(name): value for name, value in options.items()}
    return Call("GET", "/api/v1/jobs", _page, params=_given(query))


def list_modes() -> Call[list[dict[str, Any]]]:
    return Call("GET", "/api/v1/modes", _listed)


def get_usage() -> Call[dict[str, Any]]:
    return Call("GET", "/api/v1/usage", content_of)


def renewed(output: Output, job: Job) -> Output:
    """The same output with the URL that its job shows now. Raises `ImageRiftError` without one."""
    for one in job.outputs:
        if one.index == output.index and one.download_url is not None:
            return one
    raise ImageRiftError(f"Job {job.job_id} has no picture {output.index} to download.")


def picture_of(output: Output, response: httpx.Response) -> bytes | None:
    """The downloaded bytes, compared with the job's digest; None where the URL has expired."""
    if response.status_code == EXPIRED_STATUS:
        return None
    if response.status_code != 200:
        raise Unreachable(f"The download answered {response.status_code}.")
    if hashlib.sha256(response.content).hexdigest() != output.sha256:
        raise ImageRiftError("The download does not match its digest.")
    return response.content


def _job(response: httpx.Response) -> Job:
    try:
        return parse_job(content_of(response), retry_after(response))
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable("The answer is not a job.") from error


def _page(response: httpx.Response) -> JobPage:
    content = content_of(response)
    try:
        return JobPage([parse_job(item) for item in content["data"]], content["nextCursor"])
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable("The answer is not a page of jobs.") from error


def _listed(response: httpx.Response) -> list[dict[str, Any]]:
    listed = content_of(response).get("data")
    if not isinstance(listed, list):
        raise Unreachable("The answer is not a list.")
    return listed


def _encoded(image: Source) -> str:
    return base64.b64encode(_bytes_of(image)).decode()


def _bytes_of(image: Source) -> bytes | bytearray | memoryview:
    if isinstance(image, (bytes, bytearray, memoryview)):
        return image
    if isinstance(image, (str, os.PathLike)):
        return Path(image).read_bytes()
    data = image.read()
    if not isinstance(data, bytes):
        raise TypeError("image: the file is open for text; open it with mode 'rb'.")
    return data


def _path(job_id: str) -> str:
    return f"/api/v1/jobs/{quote(job_id, safe='')}"


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)
