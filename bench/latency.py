"""Submit to done at a gentle pace, beside the bare steps that every job takes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from imagerift_core import clock, object_keys
from imagerift_core.ids import new_job_id
from imagerift_core.resources import build_generation_job

from bench.adapters import Account, Adapters
from bench.figures import Spread, spread_of
from bench.jobs import followed_ends, submit
from bench.kubernetes import bare_kube, ended_record


async def bare_steps(adapters: Adapters, photo: bytes, *, times: int) -> dict[str, float]:
    """Median milliseconds of each step, one at a time, with nothing else going on.

    put: the source into the bucket; insert: a record, acknowledged by a majority; create: the
    resource; get: the source; put_output: the output; update: the record's end.
    """
    store, database = adapters.store, adapters.database
    taken: dict[str, list[float]] = {}

    async def timed(name: str, step: Awaitable[object]) -> None:
        start = time.perf_counter()
        await step
        taken.setdefault(name, []).append(time.perf_counter() - start)

    async with bare_kube(adapters.platform) as kube:
        for _ in range(times):
            record = ended_record(kube.namespace)
            folder = object_keys.job_prefix("ws_bench", new_job_id())
            await timed("put", store.put(folder + "source", photo, content_type="image/jpeg"))
            await timed("insert", database.jobs.insert_one(record.document()))
            await timed("create", kube.create_job(build_generation_job(record)))
            await timed("get", store.get(folder + "source", max_bytes=len(photo)))
            await timed(
                "put_output", store.put(folder + "output", photo, content_type="image/jpeg")
            )
            end = {"$set": {"completed_at": clock.now()}}
            await timed("update", database.jobs.update_one({"_id": record.id}, end))
            await kube.delete_job(record.resource_name)
            await database.jobs.delete_one({"_id": record.id})
    return {name: round(statistics.median(values) * 1000, 2) for name, values in taken.items()}


async def submit_to_done(
    adapters: Adapters, account: Account, body: bytes, *, per_second: float, jobs: int
) -> Spread:
    """From the sending of a submit to the record's end, at a steady pace."""

    async with followed_ends(adapters.platform) as ends:

        async def one() -> float:
            start = time.monotonic()
            return await ends.wait_for(await submit(adapters.http, account, body)) - start

        start = time.monotonic()
        taken = await at_pace(one, per_second=per_second, calls=jobs)
        return spread_of(taken, over=time.monotonic() - start)


async def at_pace(
    call: Callable[[], Awaitable[float]], *, per_second: float, calls: int
) -> list[float]:
    """Starts a call every so often, whether or not the ones before have come back."""
    begin = time.monotonic()
    tasks = []
    for number in range(calls):
        await asyncio.sleep(max(0.0, begin + number / per_second - time.monotonic()))
        tasks.append(asyncio.ensure_future(call()))
    return list(await asyncio.gather(*tasks))
