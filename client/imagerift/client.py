"""The client: one method a call, typed answers, typed errors, patience where it is asked for."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from imagerift.errors import ImageRiftError, Unreachable, WaitTimeout, error_of
from imagerift.jobs import Job, JobPage, Output, parse_job

_CALL_SECONDS = 90.0
_RETRIES = 4
_DEFAULT_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 60.0
Source = bytes | str | Path


class ImageRift:
    """Calls one ImageRift installation with one API key.

    Requests that were refused without an effect (429, 503 with `Retry-After`) are sent again
    after the pause that the server asks for, at most `retries` times. A submit that got no
    answer is not: it may have been accepted.

    Every method raises `ApiError` (see `imagerift.errors` for its kinds) or `Unreachable`.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_seconds: float = _CALL_SECONDS,
        retries: int = _RETRIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = httpx.Client(
            base_url=base_url.rstrip("/"),
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=timeout_seconds,
        )
        # Downloads go to the object store, which must not see the API key.
        self._downloads = httpx.Client(timeout=timeout_seconds)
        self._retries = retries
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()
        self._downloads.close()

    def generate(
        self,
        *,
        mode: str = "style",
        image: Source | None = None,
        image_key: str | None = None,
        source_generation_id: str | None = None,
        prompt: str | None = None,
        preset: str | None = None,
        export_size: str | None = None,
        output_aspect: str | None = None,
        output_format: str | None = None,
        variations: int | None = None,
        seed: int | None = None,
        metadata: dict[str, str] | None = None,
        deadline_seconds: int | None = None,
    ) -> Job:
        """Submits a job. `image` is the picture's bytes or the path of its file.

        Options left out are not sent, so that the server's defaults hold.
        """
        body = {
            "mode": mode,
            "imageBase64": _encoded(image),
            "imageKey": image_key,
            "sourceGenerationId": source_generation_id,
            "prompt": prompt,
            "preset": preset,
            "exportSize": export_size,
            "outputAspect": output_aspect,
            "outputFormat": output_format,
            "variations": variations,
            "seed": seed,
            "metadata": metadata,
            "deadlineSeconds": deadline_seconds,
        }
        sent = {name: value for name, value in body.items() if value is not None}
        return self._job("POST", "/api/v1/generate", json=sent)

    def get_job(self, job_id: str) -> Job:
        return self._job("GET", f"/api/v1/jobs/{job_id}")

    def cancel(self, job_id: str) -> Job:
        """The job, canceled or sure to end canceled. Raises `ConflictError` once it has ended."""
        return self._job("POST", f"/api/v1/jobs/{job_id}/cancel")

    def list_jobs(
        self,
        *,
        status: str | None = None,
        mode: str | None = None,
        created_after: str | None = None,
        created_before: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> JobPage:
        """One page, newest first. Times are RFC 3339; `limit` is 1 to 100."""
        query = {
            "status": status,
            "mode": mode,
            "createdAfter": created_after,
            "createdBefore": created_before,
            "limit": limit,
            "cursor": cursor,
        }
        sent = {name: value for name, value in query.items() if value is not None}
        content = _object(self._call("GET", "/api/v1/jobs", params=sent))
        try:
            return JobPage([parse_job(item) for item in content["data"]], content["nextCursor"])
        except (KeyError, TypeError) as error:
            raise Unreachable("The answer is not a page of jobs.") from error

    def watch(self, job: Job, *, timeout_seconds: float | None = None) -> Iterator[Job]:
        """The job at every poll, the ended one last, at the pace that the server asks for.

        Raises `WaitTimeout` where it has not ended in time.
        """
        end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            yield job
            if job.ended:
                return
            pause = job.retry_after_seconds or _DEFAULT_PAUSE_SECONDS
            if end is not None and time.monotonic() + pause > end:
                raise WaitTimeout(f"Job {job.job_id} is still {job.status}.")
            self._sleep(pause)
            job = self.get_job(job.job_id)

    def wait(self, job: Job | str, *, timeout_seconds: float | None = None) -> Job:
        """The ended job, whatever its end. Raises `WaitTimeout`."""
        started = self.get_job(job) if isinstance(job, str) else job
        last = started
        for seen in self.watch(started, timeout_seconds=timeout_seconds):
            last = seen
        return last

    def download(self, output: Output) -> bytes:
        """The picture's bytes, compared with the digest that the job states."""
        if output.download_url is None:
            raise ImageRiftError("The output has no URL; read the job by its id.")
        try:
            response = self._downloads.get(output.download_url)
        except httpx.HTTPError as error:
            raise Unreachable(f"The download failed ({type(error).__name__}).") from None
        if response.status_code != 200:
            raise Unreachable(f"The download answered {response.status_code}.")
        if hashlib.sha256(response.content).hexdigest() != output.sha256:
            raise ImageRiftError("The download does not match its digest.")
        return response.content

    def _job(self, method: str, path: str, **arguments: Any) -> Job:
        response = self._call(method, path, **arguments)
        try:
            return parse_job(_object(response), _retry_after(response))
        except (KeyError, TypeError) as error:
            raise Unreachable("The answer is not a job.") from error

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        for attempt in range(self._retries + 1):
            try:
                response = self._http.request(method, path, **arguments)
            except httpx.HTTPError as error:
                raise Unreachable(
                    f"{self._http.base_url} does not answer ({type(error).__name__})."
                ) from error
            if response.is_success:
                return response
            pause = _retry_after(response)
            refused = response.status_code in {429, 503} and pause is not None
            if not refused or attempt == self._retries:
                raise error_of(response.status_code, _problem(response), pause)
            self._sleep(min(pause or 0.0, _LONGEST_PAUSE_SECONDS))
        raise AssertionError("unreachable")


def _encoded(image: Source | None) -> str | None:
    if image is None:
        return None
    data = image if isinstance(image, bytes) else Path(image).read_bytes()
    return base64.b64encode(data).decode()


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Unreachable("The answer is not a JSON object; is this an ImageRift address?")
    return content


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
