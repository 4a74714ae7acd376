"""When keys were last used: a debounced writer, aside from the requests."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web
from imagerift_core import clock
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.mongo.keys import KeyStore

_FLUSH_SECONDS = 5.0
_log = structlog.get_logger()


class KeyUsageWriter:
    """Collects the keys that were used and writes them every few seconds, together."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._used: set[str] = set()

    def record(self, key_id: str) -> None:
        self._used.add(key_id)

    async def run(self) -> None:
        """Flushes every few seconds until canceled."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        if not self._used:
            return
        used, self._used = self._used, set()
        try:
            await self._keys.mark_used(sorted(used), at=clock.now())
        except CapacityUnavailable:
            self._used |= used
            _log.warning("key_usage_not_noted", keys=len(used))


KEY_USAGE = web.AppKey("key_usage", KeyUsageWriter)
