"""The client for asyncio: the methods of `ImageRift`, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from imagerift import calls
from imagerift.answers import pause_after, pause_without_answer
from imagerift.calls import Call, GenerateOptions, ListOptions
from imagerift.client import CALL_SECONDS, RETRIES, WATCH_RETRIES
from imagerift.connection import connection
from imagerift.errors import Unreachable
from imagerift.jobs import Job, JobPage, Output
from imagerift.polling import Patience

Answer = TypeVar("Answer")


class AsyncImageRift:
    """`ImageRift` for asyncio: the same calls, answers, errors and patience."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_seconds: float = CALL_SECONDS,
        retries: int = RETRIES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        given = connection(base_url, api_key)
        self._http = httpx.AsyncClient(
            base_url=given.url,
            headers={"Authorization": f"Bearer {given.api_key}"},
            timeout=timeout_seconds,
        )
        # Downloads go to the object store, which must not see the API key.
        self._downloads = httpx.AsyncClient(timeout=timeout_seconds)
        self._retries = retries
        self._was_there = False
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()
        await self._downloads.aclose()

    async def generate(self, **options: Unpack[GenerateOptions]) -> Job:
        """Submits a job; see `GenerateOptions`."""
        # Reading and encoding a large picture would hold up everything else.
        return await self._send(await asyncio.to_thread(calls.generate, options))

    async def get_job(self, job_id: str) -> Job:
        return await self._send(calls.get_job(job_id))

    async def cancel(self, job_id: str) -> Job:
        """The job, canceled or sure to end canceled. Raises `ConflictError` once it has ended."""
        return await self._send(calls.cancel(job_id))

    async def delete(self, job_id: str) -> None:
        """Deletes an ended job with its pictures. Raises `ConflictError` while it lives."""
        return await self._send(calls.delete(job_id))

    async def list_jobs(self, **options: Unpack[ListOptions]) -> JobPage:
        """One page, newest first; see `ListOptions`."""
        return await self._send(calls.list_jobs(options))

    async def list_modes(self) -> list[dict[str, Any]]:
        """The modes with their presets and sizes, as the API describes them."""
        return await self._send(calls.list_modes())

    async def get_usage(self) -> dict[str, Any]:
        """This period's quota and ledger, as the API describes them."""
        return await self._send(calls.get_usage())

    async def watch(self, job: Job, *, timeout_seconds: float | None = None) -> AsyncIterator[Job]:
        """The job at every poll, the ended one last, at the pace that the server asks for.

        Raises `WaitTimeout` where it has not ended in time.
        """
        patience = Patience(timeout_seconds)
        while True:
            yield job
            if job.ended:
                return
            await self._sleep(patience.pause(job))
            job = await self._send(calls.get_job(job.job_id), retries=WATCH_RETRIES)

    async def wait(self, job: Job | str, *, timeout_seconds: float | None = None) -> Job:
        """The ended job, whatever its end. Raises `WaitTimeout`."""
        last = await self.get_job(job) if isinstance(job, str) else job
        async for seen in self.watch(last, timeout_seconds=timeout_seconds):
            last = seen
        return last

    async def download(self, output: Output) -> bytes:
        """The picture's bytes, compared with the digest that the job states.

        A URL that has expired, or that a list did not show, is read anew from the job.
        """
        if output.download_url is not None:
            picture = await self._fetched(output, output.download_url)
            if picture is not None:
                return picture
        fresh = calls.renewed(output, await self.get_job(output.job_id))
        picture = await self._fetched(fresh, fresh.download_url or "")
        if picture is None:
            raise Unreachable("The download was refused.")
        return picture

    async def _fetched(self, output: Output, url: str) -> bytes | None:
        try:
            response = await self._downloads.get(url)
        except httpx.HTTPError as error:
            # Without the cause, whose text may hold the signed URL.
            raise Unreachable(f"The download failed ({type(error).__name__}).") from None
        return calls.picture_of(output, response)

    async def _send(self, call: Call[Answer], *, retries: int = 0) -> Answer:
        attempt, most = 0, max(retries, self._retries)
        while True:
            last = attempt >= most
            try:
                response = await self._http.request(
                    call.method,
                    call.path,
                    json=call.json,
                    params=call.params,
                    headers=call.headers,
                )
            except httpx.HTTPError as error:
                given_up = last or not call.repeatable
                address = str(self._http.base_url)
                pause = pause_without_answer(
                    error, address, attempt=attempt, last=given_up, was_there=self._was_there
                )
            else:
                self._was_there = True
                if response.is_success:
                    return call.read(response)
                pause = pause_after(response, attempt=attempt, last=last)
            await self._sleep(pause)
            attempt += 1
