"""Whole jobs, as clients submit them, until their records say that they ended."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
from imagerift_core.jobs import TERMINAL
from PIL import Image
from pymongo import AsyncMongoClient

from bench.adapters import Account, Adapters
from tests.platform_under_test import PlatformUnderTest

SUBMIT = "/api/v1/generate"


def photo_of(size: int) -> bytes:
    """A JPEG of noise of about `size` bytes."""
    pixels = np.random.default_rng(1).integers(0, 255, (300, 300, 3), np.uint8)
    for quality in range(95, 10, -5):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=quality)
        if out.tell() <= size:
            break
    return out.getvalue()


def submit_body(mode: str, photo: bytes, prompt: str = "") -> bytes:
    """The body of a submit with the picture in it."""
    image = base64.b64encode(photo).decode()
    return json.dumps({"mode": mode, "imageBase64": image, "prompt": prompt}).encode()


@dataclass
class Ends:
    """Ends of jobs as MongoDB tells of them: when each id was seen, in monotonic seconds."""

    at: dict[str, float] = field(default_factory=dict)
    _waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _counts: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)

    def seen(self, job_id: str) -> None:
        self.at[job_id] = time.monotonic()
        waiting = self._waiting.pop(job_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        for count, reached in self._counts:
            if len(self.at) >= count and not reached.done():
                reached.set_result(None)

    async def wait_for(self, job_id: str) -> float:
        """When the job was seen to end."""
        if job_id not in self.at:
            self._waiting[job_id] = asyncio.get_running_loop().create_future()
            await self._waiting[job_id]
        return self.at[job_id]

    async def wait_for_count(self, count: int) -> None:
        """Returns once that many jobs have ended since the following began."""
        if len(self.at) < count:
            reached = asyncio.get_running_loop().create_future()
            self._counts.append((count, reached))
            await reached


@asynccontextmanager
async def followed_ends(platform: PlatformUnderTest) -> AsyncIterator[Ends]:
    """Follows the ends of every job while open, by one change stream."""
    environment = platform.environment
    ends = Ends()
    status = "updateDescription.updatedFields.status"
    pipeline: list[dict[str, Any]] = [
        {"$match": {"operationType": "update", status: {"$in": [s.value for s in TERMINAL]}}},
        {"$project": {"documentKey": 1}},
    ]
    url = environment["IMAGERIFT_MONGO_URL"]
    async with AsyncMongoClient[dict[str, Any]](url) as mongo:
        records = mongo[environment["IMAGERIFT_MONGO_DATABASE"]].jobs
        async with await records.watch(pipeline) as changes:

            async def follow() -> None:
                async for change in changes:
                    ends.seen(change["documentKey"]["_id"])

            task = asyncio.create_task(follow())
            try:
                yield ends
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def submit(http: aiohttp.ClientSession, account: Account, body: bytes) -> str:
    """The id of a job that was accepted."""
    async with http.post(SUBMIT, data=body, headers=account.headers) as answer:
        content = await answer.read()
        if answer.status != 202:
            raise RuntimeError(f"a submit was answered {answer.status}: {content.decode()[:300]}")
    job_id: str = json.loads(content)["jobId"]
    return job_id


async def whole_jobs(
    adapters: Adapters,
    account: Account,
    body: bytes | Sequence[bytes],
    *,
    in_flight: int,
    jobs: int,
) -> float:
    """Jobs per second from submit to terminal, `in_flight` of them at any time.

    Of several bodies each of those that are in flight has another one, as far as they go.
    """
    bodies = [body] if isinstance(body, bytes) else body
    left = iter(range(jobs))
    async with followed_ends(adapters.platform) as ends:

        async def work(number: int) -> None:
            own = bodies[number % len(bodies)]
            for _ in left:
                await ends.wait_for(await submit(adapters.http, account, own))

        start = time.monotonic()
        await asyncio.gather(*(work(number) for number in range(in_flight)))
        seconds = time.monotonic() - start
    query = {"_id": {"$in": list(ends.at)}, "status": "succeeded"}
    succeeded = await adapters.database.jobs.count_documents(query)
    if succeeded != jobs:
        raise RuntimeError(f"{jobs - succeeded} of {jobs} jobs did not succeed")
    return jobs / seconds
