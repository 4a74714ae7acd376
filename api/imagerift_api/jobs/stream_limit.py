"""Limits how many waits and event streams a workspace may have open at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web
from imagerift_core.errors import CapacityUnavailable, TooManyStreams
from imagerift_core.ids import random_base62
from imagerift_core.mongo.stream_leases import LEASE_SECONDS, StreamLeaseStore

from imagerift_api.background import Background

STREAMS_PER_WORKSPACE = 10
_RENEW_SECONDS = LEASE_SECONDS / 3


class StreamLimit:
    def __init__(self, leases: StreamLeaseStore, background: Background) -> None:
        self._leases = leases
        self._background = background

    @asynccontextmanager
    async def acquire(self, workspace: str) -> AsyncIterator[None]:
        """Counts a wait or stream as open for as long as the context is.

        Raises `TooManyStreams`, or `CapacityUnavailable` where the store is away.
        """
        lease = random_base62(20)
        taken = await self._take(workspace, lease)
        if not taken:
            raise TooManyStreams(
                f"At most {STREAMS_PER_WORKSPACE} waits and event streams of a workspace may be "
                "open at once."
            )
        renewing = asyncio.create_task(self._renew(workspace, lease))
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
            # Also when the client is gone and this very task is being ended.
            self._background.spawn("give_back_stream", self._leases.release(workspace, lease))

    async def _take(self, workspace: str, lease: str) -> bool:
        return await self._leases.take(workspace, lease, limit=STREAMS_PER_WORKSPACE)

    async def _renew(self, workspace: str, lease: str) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            with suppress(CapacityUnavailable):
                await self._take(workspace, lease)


STREAM_LIMIT = web.AppKey("stream_limit", StreamLimit)
