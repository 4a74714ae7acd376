"""Every client of the object store, once: it prints what each of them met, as JSON.

A program of its own (`python -m tests.contract.s3.reaching URL`): which CAs it trusts, and the
services' settings, its environment says; URL is a signed one, as model servers are given.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Awaitable
from urllib.parse import urlsplit

from imagerift_core.errors import CapacityUnavailable
from imagerift_core.s3 import open_store
from imagerift_core.settings import SharedSettings
from imagerift_vision.errors import VisionError  # type: ignore[import-not-found]
from imagerift_vision.storage import OriginClient  # type: ignore[import-not-found]


class Unhurried:
    """Lets an attempt go on."""

    def check(self) -> None:
        """Always."""

    def seconds_left(self) -> float:
        return 60.0


async def outcome(call: Awaitable[object]) -> str:
    try:
        await call
    except (CapacityUnavailable, VisionError, OSError) as error:
        return type(error).__name__
    return "reached"


async def reach(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    model = OriginClient(f"{parts.scheme}://{parts.netloc}")
    async with open_store(SharedSettings()) as store:
        return {
            # Over aiohttp, boto3, the models' own client and what `helm test` downloads by.
            "writes": await outcome(store.put("of-tls", b"bytes", content_type="text/plain")),
            "lists": await outcome(store.ping()),
            "model servers": await outcome(asyncio.to_thread(model.fetch, url, Unhurried())),
            "probe": await outcome(asyncio.to_thread(urllib.request.urlopen, url, timeout=10)),
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(reach(sys.argv[1]))))
