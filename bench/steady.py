"""A steady stream of jobs of several workspaces for minutes, and pollers beside it."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from bench.adapters import Account, Adapters
from bench.figures import Spread, spread_of
from bench.jobs import followed_ends, submit
from bench.latency import at_pace

# What the API's Retry-After asks of those who poll.
POLL_SECONDS = 4.0
BUCKET_SECONDS = 10


@dataclass(frozen=True)
class Steady:
    """`ended` per second until the last end; `by_time`: p50 of each ten seconds' submits, in ms."""

    asked_per_second: float
    ended_per_second: float
    submit_to_done: Spread
    polls: Spread
    pollers: int
    workspaces: int
    by_time: list[float]


async def steady_stream(
    adapters: Adapters,
    accounts: Sequence[Account],
    body: bytes,
    *,
    per_second: float,
    seconds: float,
    pollers: int,
) -> Steady:
    """Submits at a pace, whether or not the jobs before have ended, while others poll.

    Each poller asks for a job of its own workspace every four seconds; it is one of the
    jobs submitted last.
    """
    latest = {account.workspace: "" for account in accounts}
    turn = iter(range(1 << 30))
    taken: list[float] = []
    over = asyncio.Event()
    async with (
        followed_ends(adapters.platform) as ends,
        aiohttp.ClientSession(
            adapters.platform.api_url,
            connector=aiohttp.TCPConnector(limit=pollers or 1),
            timeout=aiohttp.ClientTimeout(total=None, sock_read=300),
        ) as http,
    ):

        async def one() -> float:
            account = accounts[next(turn) % len(accounts)]
            start = time.monotonic()
            job_id = await submit(adapters.http, account, body)
            latest[account.workspace] = job_id
            return await ends.wait_for(job_id) - start

        for account in accounts:
            latest[account.workspace] = await submit(adapters.http, account, body)
        polling = [
            asyncio.create_task(
                _poll(
                    http,
                    accounts[number % len(accounts)],
                    latest,
                    over,
                    taken,
                    first=POLL_SECONDS * number / pollers,
                )
            )
            for number in range(pollers)
        ]
        begin = time.monotonic()
        waits = await at_pace(one, per_second=per_second, calls=int(per_second * seconds))
        whole = time.monotonic() - begin
        over.set()
        await asyncio.gather(*polling)
    return Steady(
        asked_per_second=per_second,
        ended_per_second=round(len(waits) / whole, 2),
        submit_to_done=spread_of(waits, over=whole),
        polls=spread_of(taken or [0.0], over=whole),
        pollers=pollers,
        workspaces=len(accounts),
        by_time=_medians(waits, int(per_second * BUCKET_SECONDS)),
    )


async def _poll(
    http: aiohttp.ClientSession,
    account: Account,
    latest: dict[str, str],
    over: asyncio.Event,
    taken: list[float],
    *,
    first: float,
) -> None:
    """Polls until all is over. Raises `RuntimeError` for any answer but 200."""
    pause = first
    while not over.is_set():
        try:
            async with asyncio.timeout(pause):
                await over.wait()
                return
        except TimeoutError:
            pass
        start = time.perf_counter()
        path = f"/api/v1/jobs/{latest[account.workspace]}"
        async with http.get(path, headers=account.headers) as answer:
            await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"a poll was answered {answer.status}")
        taken.append(time.perf_counter() - start)
        pause = POLL_SECONDS


def _medians(waits: Sequence[float], size: int) -> list[float]:
    size = max(1, size)
    return [
        round(statistics.median(waits[start : start + size]) * 1000, 1)
        for start in range(0, len(waits), size)
    ]
