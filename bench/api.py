"""The API alone: submits and polls of one replica beside handlers that do next to nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import aiohttp

from bench.adapters import Account, Adapters
from bench.deep_queue import serve
from bench.figures import Spread, spread_of
from bench.jobs import SUBMIT, followed_ends, submit
from tests.platform_under_test import PlatformUnderTest
from tests.support.server_processes import free_port

START_SECONDS = 30
Call = Callable[[aiohttp.ClientSession], Awaitable[None]]


@dataclass(frozen=True)
class ApiFigures:
    """Spreads of one replica and of the bare handlers, all by the same client in one run.

    poll: a job that waits; poll_ended: one with a signed URL; poll_store: a handler with the
    same one increment and one read; poll_bare, submit_bare: handlers that do nothing.
    """

    poll: Spread
    poll_ended: Spread
    poll_store: Spread
    poll_bare: Spread
    submit: Spread
    submit_bare: Spread

    @property
    def poll_share(self) -> float:
        """Polls as a share of a handler that makes the same increment and read."""
        return round(self.poll.per_second / self.poll_store.per_second, 3)

    def document(self) -> dict[str, Any]:
        return asdict(self) | {"poll_share": self.poll_share}


async def api_figures(
    adapters: Adapters, account: Account, body: bytes, *, clients: int, seconds: float
) -> ApiFigures:
    """Measures polls in two turns and keeps the better one of each kind, then submits.

    Nothing runs meanwhile: the jobs submitted here wait for a pool that does not serve them.
    """
    platform = adapters.platform
    async with followed_ends(platform) as ends:
        ended = await submit(adapters.http, account, body)
        await ends.wait_for(ended)
    serve(platform, noop=False)
    try:
        return await _figures(
            adapters, account, body, ended=ended, clients=clients, seconds=seconds
        )
    finally:
        serve(platform, noop=True)


async def _figures(
    adapters: Adapters,
    account: Account,
    body: bytes,
    *,
    ended: str,
    clients: int,
    seconds: float,
) -> ApiFigures:
    platform = adapters.platform
    waiting = await submit(adapters.http, account, body)
    api = platform.api_url
    polls: dict[str, Call] = {}
    submits: dict[str, Call] = {}
    best: dict[str, Spread] = {}
    with bare_server(platform, waiting) as bare:
        polls["poll"] = _get(f"{api}/api/v1/jobs/{waiting}", account.headers)
        polls["poll_ended"] = _get(f"{api}/api/v1/jobs/{ended}", account.headers)
        polls["poll_store"] = _get(f"{bare}/store", {})
        polls["poll_bare"] = _get(f"{bare}/bare", {})
        submits["submit_bare"] = _post(f"{bare}/accept", body, account.headers)
        submits["submit"] = _post(api + SUBMIT, body, account.headers)
        connector = aiohttp.TCPConnector(limit=clients)
        async with aiohttp.ClientSession(connector=connector) as session:
            await _until_up(session, f"{bare}/bare")
            for name, call in [*polls.items(), *polls.items(), *submits.items()]:
                spread = await load(partial(call, session), clients, seconds)
                if name not in best or spread.per_second > best[name].per_second:
                    best[name] = spread
    return ApiFigures(**best)


async def load(call: Callable[[], Awaitable[None]], clients: int, seconds: float) -> Spread:
    """Calls of `clients` that each call again as soon as they are answered."""
    taken: list[float] = []
    for _ in range(5):
        await call()
    end = time.perf_counter() + seconds

    async def work() -> None:
        while (start := time.perf_counter()) < end:
            await call()
            taken.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(clients)))
    return spread_of(taken, over=time.perf_counter() - start)


@contextmanager
def bare_server(platform: PlatformUnderTest, job_id: str) -> Iterator[str]:
    """The address of the bare handlers, in a process of their own."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.bare_server", str(port), job_id],
        env={**os.environ, **platform.environment},
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _get(url: str, headers: dict[str, str]) -> Call:
    async def call(session: aiohttp.ClientSession) -> None:
        async with session.get(url, headers=headers) as answer:
            await answer.read()
            _check(answer, 200)

    return call


def _post(url: str, body: bytes, headers: dict[str, str]) -> Call:
    async def call(session: aiohttp.ClientSession) -> None:
        async with session.post(url, data=body, headers=headers) as answer:
            await answer.read()
            _check(answer, 202)

    return call


def _check(answer: aiohttp.ClientResponse, status: int) -> None:
    if answer.status != status:
        raise RuntimeError(f"{answer.url.path} answered {answer.status}")


async def _until_up(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                async with session.get(url) as answer:
                    _check(answer, 200)
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)
