"""An honest workspace's submits, alone and beside a hostile one: what the neighbour costs.

The hostile one asks as often as the largest plan that ships lets it, and a stranger more often:
what any number of requests costs a machine is the rates' matter, and no workspace's.
"""

from __future__ import annotations

import asyncio
import io
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from urllib.parse import urlsplit

import aiohttp
import numpy as np
from imagerift_core.api_keys import new_api_key
from PIL import Image

from bench.adapters import Account, Adapters, new_account
from bench.jobs import SUBMIT, photo_of, submit, submit_body
from bench.latency import at_pace

_MIB = 1024 * 1024
_CLIENTS = 8
# 120 requests a minute; whoever has no key has no plan.
_ATTACKS_PER_SECOND, _BY_STRANGERS = 2, 20
_WARM_UP = 5
_PHOTO_BYTES = 100_000
Attack = Callable[[Adapters, Account], Awaitable[None]]


async def beside_attacks(adapters: Adapters, *, per_second: float, calls: int) -> dict[str, float]:
    """The 95th percentile of an ordinary submit in ms: `alone`, and beside each attack."""
    honest, hostile = new_account(adapters.platform), new_account(adapters.platform)
    body = submit_body("noop", photo_of(_PHOTO_BYTES))

    async def one() -> float:
        start = time.monotonic()
        await submit(adapters.http, honest, body)
        return time.monotonic() - start

    async def measured() -> float:
        for _ in range(_WARM_UP):
            await one()
        return p95(await at_pace(one, per_second=per_second, calls=calls))

    found = {"alone": await measured()}
    for name, attack in ATTACKS.items():
        pace = _BY_STRANGERS if attack is make_up_keys else _ATTACKS_PER_SECOND
        async with under_attack(partial(attack, adapters, hostile), per_second=pace):
            found[name] = await measured()
    return found


def p95(seconds: list[float]) -> float:
    """In milliseconds."""
    ordered = sorted(seconds)
    return round(ordered[math.ceil(0.95 * len(ordered)) - 1] * 1000, 1)


@asynccontextmanager
async def under_attack(
    attack: Callable[[], Awaitable[None]], *, per_second: float
) -> AsyncIterator[None]:
    """`_CLIENTS` clients attack, so often together, for as long as the context is open."""
    tasks = [asyncio.create_task(_again(attack, _CLIENTS / per_second)) for _ in range(_CLIENTS)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _again(attack: Callable[[], Awaitable[None]], pause: float) -> None:
    while True:
        await asyncio.sleep(random.uniform(0, 2 * pause))
        # What the server does to attackers is no matter here.
        with suppress(aiohttp.ClientError, OSError, asyncio.IncompleteReadError):
            await attack()


async def _post(adapters: Adapters, path: str, data: bytes, headers: dict[str, str]) -> None:
    async with adapters.http.post(path, data=io.BytesIO(data), headers=headers) as answer:
        await answer.read()


async def stall(adapters: Adapters, hostile: Account) -> None:
    """Declares the largest body and sends one byte of it."""
    where = urlsplit(adapters.platform.api_url)
    assert where.hostname is not None
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = [f"POST {SUBMIT} HTTP/1.1", f"Host: {where.netloc}", f"Content-Length: {28 * _MIB}"]
    head += [f"{name}: {value}" for name, value in hostile.headers.items()]
    try:
        writer.write("\r\n".join([*head, "", "{"]).encode())
        await writer.drain()
        await reader.read(1024)
    finally:
        writer.close()


async def bomb(adapters: Adapters, hostile: Account) -> None:
    """A progressive JPEG whose scans would cost seconds of CPU."""
    await _post(adapters, SUBMIT, BOMB, hostile.headers)


async def heavy(adapters: Adapters, hostile: Account) -> None:
    """A picture of 24 megapixels, as large as a camera's, again and again."""
    await _post(adapters, SUBMIT, HEAVY, hostile.headers)


async def make_up_keys(adapters: Adapters, _hostile: Account) -> None:
    headers = {"Authorization": f"Bearer {new_api_key().token}"}
    async with adapters.http.get("/api/v1/modes", headers=headers) as answer:
        await answer.read()


async def hoard(adapters: Adapters, hostile: Account) -> None:
    """Asks for places of 20 MiB that nobody will use."""
    place = b'{"sizeBytes": 20971520, "contentType": "image/jpeg"}'
    await _post(adapters, "/api/v1/uploads", place, hostile.headers)


async def name_hosts(adapters: Adapters, hostile: Account) -> None:
    """Names a host that does not exist, another one each time."""
    body = submit_body("noop", photo_of(_PHOTO_BYTES))
    hook = f', "webhookUrl": "https://no-{next(_numbers)}.imagerift-bench.example/"}}'
    await _post(adapters, SUBMIT, body[:-1] + hook.encode(), hostile.headers)


def _bomb() -> bytes:
    small = np.random.default_rng(0).integers(0, 255, (110, 110)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((7040, 7040), Image.Resampling.NEAREST).save(
        buffer, "JPEG", progressive=True
    )
    data = buffer.getvalue()
    scan = data[data.rindex(b"\xff\xda") : -2]
    return submit_body("noop", data[:-2] + scan * 90 + b"\xff\xd9")


def _heavy() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (500, 750, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((6000, 4000)).save(buffer, "JPEG", quality=90)
    return submit_body("noop", buffer.getvalue())


_numbers = count()
BOMB, HEAVY = _bomb(), _heavy()
ATTACKS: dict[str, Attack] = {
    "stalled bodies": stall,
    "decompression bombs": bomb,
    "heavy pictures": heavy,
    "made-up keys": make_up_keys,
    "hoarded uploads": hoard,
    "hosts of webhooks": name_hosts,
}
