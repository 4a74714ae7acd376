"""Many waiting jobs: what they cost the operator, how fast they drain, how long a restart takes.

Jobs are admitted and their resources made by the product's own adapters, without the API, so
that ten thousand of them are there in a minute. They share one source.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import statistics
import time
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psutil
from imagerift_api.debounced_writer import DebouncedWriter
from imagerift_core import clock, object_keys, quota
from imagerift_core.generation import GenerationSpec
from imagerift_core.ids import new_job_id
from imagerift_core.jobs import SourceImage
from imagerift_core.mongo.admission import Admissions
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.resources import build_generation_job

from bench.adapters import Account, Adapters
from bench.jobs import Ends, followed_ends
from tests.platform_under_test import PlatformUnderTest
from tests.support.job_records import make_record

POOL = "test"
AT_ONCE = 64
LIMIT = 1_000_000


@dataclass(frozen=True)
class Depths:
    """How deep the queues are: `rounds` of `round_jobs`, `few`, `jobs`, and the rounds again."""

    jobs: int
    few: int
    rounds: int
    round_jobs: int
    restarts: bool


@dataclass(frozen=True)
class DeepQueue:
    """Drain rates in jobs per second; restarts in seconds from the kill to the first claim.

    `drain_first` and `drain_last` are those of the first and the last tenth of the deepest queue;
    `curve` holds the seconds from its first end to each further hundredth.
    """

    jobs: int
    drain_of_few: float
    drain: float
    drain_first: float
    drain_last: float
    curve: list[float]
    memory_kb_per_job: float
    few: int
    restart_with_few: float | None
    restart: float | None


async def deep_queue(
    adapters: Adapters, account: Account, photo: bytes, depths: Depths
) -> DeepQueue:
    """Drains short queues before and after long ones, over which the operator is restarted."""
    platform = adapters.platform
    source = await stored_source(adapters, account, photo)
    restart_with_few = restart = None
    async with followed_ends(platform) as ends:
        queue = Queue(adapters, account, source, ends)
        try:
            rates = [await queue.drain(depths.round_jobs) for _ in range(depths.rounds)]
            await queue.fill(depths.few)
            if depths.restarts:
                restart_with_few = await queue.restart()
            serve(platform, noop=True)
            await ends.wait_for_count(queue.made)
            idle = operator_memory(platform)
            await queue.fill(depths.jobs)
            memory = (operator_memory(platform) - idle) / 1024 / depths.jobs
            if depths.restarts:
                restart = await queue.restart()
            serve(platform, noop=True)
            drain = await queue.drained(depths.jobs)
            at = sorted(ends.at.values())[-depths.jobs :]
            # Before and after: a machine is not as fast at every moment.
            rates += [await queue.drain(depths.round_jobs) for _ in range(depths.rounds)]
        finally:
            serve(platform, noop=True)
    # Jobs that are settled together end in one moment: a tenth is more of them than that.
    tenth, step = max(10, depths.jobs // 10), max(1, depths.jobs // 100)
    return DeepQueue(
        jobs=depths.jobs,
        drain_of_few=round(statistics.median(rates), 1),
        drain=round(drain, 1),
        drain_first=_rate(at[:tenth]),
        drain_last=_rate(at[-tenth:]),
        curve=[round(moment - at[0], 2) for moment in at[step - 1 :: step]],
        memory_kb_per_job=round(memory, 2),
        few=depths.few,
        restart_with_few=round(restart_with_few, 2) if restart_with_few else None,
        restart=round(restart, 2) if restart else None,
    )


def _rate(at: Sequence[float]) -> float:
    """Ends per second of ends at these moments."""
    return round((len(at) - 1) / max(at[-1] - at[0], 1e-9), 1)


class Queue:
    """Jobs that wait until the pool is told to serve them."""

    def __init__(
        self, adapters: Adapters, account: Account, source: SourceImage, ends: Ends
    ) -> None:
        self._adapters = adapters
        self._account = account
        self._source = source
        self._admissions = Admissions(adapters.database)
        self._resource_uids = DebouncedWriter(
            "resource_uids", JobStore(adapters.database).set_resource_uids, seconds=1
        )
        self.ends = ends
        self.made = len(ends.at)

    async def drain(self, jobs: int) -> float:
        """Jobs per second of a queue of so many."""
        await self.fill(jobs)
        serve(self._adapters.platform, noop=True)
        return await self.drained(jobs)

    async def drained(self, jobs: int) -> float:
        """Waits until all is done; jobs per second of the last so many, once they are served.

        From the first claim to the last end: from the first end on, a short queue would be told
        too fast, since by then most of what is in flight is nearly done.
        """
        await self.ends.wait_for_count(self.made)
        last = sorted(self.ends.at, key=self.ends.at.__getitem__)[-jobs:]
        begin, end = await self._from_claim_to_end(last)
        return jobs / (end - begin).total_seconds()

    async def _from_claim_to_end(self, job_ids: Sequence[str]) -> tuple[datetime, datetime]:
        found = await self._adapters.database.jobs.aggregate(
            [
                {"$match": {"_id": {"$in": list(job_ids)}}},
                {
                    "$group": {
                        "_id": None,
                        "begin": {"$min": "$started_at"},
                        "end": {"$max": "$completed_at"},
                    }
                },
            ]
        ).to_list(1)
        return found[0]["begin"], found[0]["end"]

    async def fill(self, jobs: int) -> None:
        """Queues so many jobs that nobody serves, and waits until the operator has seen them."""
        serve(self._adapters.platform, noop=False)
        left = iter(range(jobs))

        async def work() -> None:
            for _ in left:
                await self._queue_one()

        noting = asyncio.create_task(self._resource_uids.run())
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        noting.cancel()
        await self._resource_uids.flush()
        self.made += jobs
        waiting = self.made - len(self.ends.at)

        async def seen() -> bool:
            return await asyncio.to_thread(queued_by_operator, self._adapters.platform) >= waiting

        await until(seen)

    async def restart(self) -> float:
        """Kills the operator over the queue; seconds until the first job is claimed."""
        platform, database = self._adapters.platform, self._adapters.database
        killed_at, begin = clock.now(), time.monotonic()
        platform.kill("operator")
        serve(platform, noop=True)
        query = {"workspace": self._account.workspace, "started_at": {"$gte": killed_at}}

        async def claimed() -> bool:
            return await database.jobs.find_one(query, {"_id": 1}) is not None

        await until(claimed)
        return time.monotonic() - begin

    async def _queue_one(self) -> None:
        kube = self._adapters.kube
        at = clock.now()
        record = make_record(
            workspace=self._account.workspace,
            namespace=kube.namespace,
            limit=LIMIT,
            at=at,
            scope="team",
            band=2,
            spec=GenerationSpec(mode="noop", prompt="", seed=7),
            source=self._source,
            deadline_at=at + timedelta(hours=1),
        )
        admitted = await self._admissions.admit(record, resets_at=quota.period_end(at))
        if admitted is None:
            raise RuntimeError("a job was not admitted")
        made = await kube.create_job(build_generation_job(admitted))
        if made is None:
            raise RuntimeError("a resource of that name was there")
        self._resource_uids.record(admitted.id, made["metadata"]["uid"])


async def stored_source(adapters: Adapters, account: Account, photo: bytes) -> SourceImage:
    """One source in the bucket, for every job."""
    key = object_keys.source_key(account.workspace, new_job_id())
    await adapters.store.put(key, photo, content_type="image/jpeg")
    return SourceImage(
        key=key,
        content_type="image/jpeg",
        size_bytes=len(photo),
        width=300,
        height=300,
        sha256=hashlib.sha256(photo).hexdigest(),
    )


def serve(platform: PlatformUnderTest, *, noop: bool) -> None:
    """Tells the test pool whether it serves the no-op mode."""
    found = json.loads(platform.kubectl("get", "tp", POOL, "-o", "json").stdout)
    others = [mode for mode in found["spec"]["modes"] if mode != "noop"]
    modes = [*others, "noop"] if noop else others
    patch = json.dumps({"spec": {"modes": modes}})
    platform.kubectl("patch", "tp", POOL, "--type=merge", "-p", patch)


def operator_memory(platform: PlatformUnderTest) -> int:
    """Resident bytes of the operator."""
    memory: int = psutil.Process(platform.part("operator")["pid"]).memory_info().rss
    return memory


def queued_by_operator(platform: PlatformUnderTest) -> float:
    """How many jobs the operator says that it has waiting."""
    port = platform.environment["IMAGERIFT_OPERATOR_METRICS_PORT"]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
    except OSError:
        return -1
    # One series a band.
    return sum(map(float, re.findall(r"^imagerift_queue_jobs\S* (\S+)$", text, re.MULTILINE)))


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 300) -> None:
    """Returns once the condition holds, asked every so often. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.05)
