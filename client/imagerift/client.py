"""The client: one method a call, typed answers, typed errors, patience where it is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from imagerift import calls
from imagerift.calls import GenerateOptions, ListOptions
from imagerift.connection import connection
from imagerift.errors import Unreachable
from imagerift.jobs import Job, JobPage, Output
from imagerift.polling import Patience
from imagerift.sending import Sender

CALL_SECONDS = 90.0
RETRIES = 4
# A job that is waited for goes on while its server is away: about a minute.
WATCH_RETRIES = 9


class ImageRift:
    """Calls one ImageRift installation with one API key.

    Requests that were refused without an effect (429, 503 with `Retry-After`) are sent again
    after the pause that the server asks for, and so are those that got no answer; a submit has
    an idempotency key, so that it is accepted once. At most `retries` times each.

    `base_url` and `api_key` are read from `IMAGERIFT_API_URL` and `IMAGERIFT_API_KEY` where they
    are not given; `ConfigurationError` says what is wrong with them.

    Every method raises `ApiError` (see `imagerift.errors` for its kinds) or `Unreachable`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_seconds: float = CALL_SECONDS,
        retries: int = RETRIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        given = connection(base_url, api_key)
        self._sender = Sender(given, timeout_seconds=timeout_seconds, retries=retries, sleep=sleep)
        # Downloads go to the object store, which must not see the API key.
        self._downloads = httpx.Client(timeout=timeout_seconds)
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
        self._sender.close()
        self._downloads.close()

    def generate(self, **options: Unpack[GenerateOptions]) -> Job:
        """Submits a job; see `GenerateOptions`."""
        return self._sender.send(calls.generate(options))

    def get_job(self, job_id: str) -> Job:
        return self._sender.send(calls.get_job(job_id))

    def cancel(self, job_id: str) -> Job:
        """The job, canceled or sure to end canceled. Raises `ConflictError` once it has ended."""
        return self._sender.send(calls.cancel(job_id))

    def delete(self, job_id: str) -> None:
        """Deletes an ended job with its pictures. Raises `ConflictError` while it lives."""
        return self._sender.send(calls.delete(job_id))

    def list_jobs(self, **options: Unpack[ListOptions]) -> JobPage:
        """One page, newest first; see `ListOptions`."""
        return self._sender.send(calls.list_jobs(options))

    def list_modes(self) -> list[dict[str, Any]]:
        """The modes with their presets and sizes, as the API describes them."""
        return self._sender.send(calls.list_modes())

    def get_usage(self) -> dict[str, Any]:
        """This period's quota and ledger, as the API describes them."""
        return self._sender.send(calls.get_usage())

    def watch(self, job: Job, *, timeout_seconds: float | None = None) -> Iterator[Job]:
        """The job at every poll, the ended one last, at the pace that the server asks for.

        Raises `WaitTimeout` where it has not ended in time.
        """
        patience = Patience(timeout_seconds)
        while True:
            yield job
            if job.ended:
                return
            self._sleep(patience.pause(job))
            job = self._sender.send(calls.get_job(job.job_id), retries=WATCH_RETRIES)

    def wait(self, job: Job | str, *, timeout_seconds: float | None = None) -> Job:
        """The ended job, whatever its end. Raises `WaitTimeout`."""
        last = self.get_job(job) if isinstance(job, str) else job
        for seen in self.watch(last, timeout_seconds=timeout_seconds):
            last = seen
        return last

    def download(self, output: Output) -> bytes:
        """The picture's bytes, compared with the digest that the job states.

        A URL that has expired, or that a list did not show, is read anew from the job.
        """
        if output.download_url is not None:
            picture = self._fetched(output, output.download_url)
            if picture is not None:
                return picture
        fresh = calls.renewed(output, self.get_job(output.job_id))
        picture = self._fetched(fresh, fresh.download_url or "")
        if picture is None:
            raise Unreachable("The download was refused.")
        return picture

    def _fetched(self, output: Output, url: str) -> bytes | None:
        try:
            response = self._downloads.get(url)
        except httpx.HTTPError as error:
            # Without the cause, whose text may hold the signed URL.
            raise Unreachable(f"The download failed ({type(error).__name__}).") from None
        return calls.picture_of(output, response)
