"""Whether this process can take requests: its stores answer, their clocks agree, and the indexes
are there.

Kubernetes is no part of it: an outage there never refuses a submit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from aiohttp import web
from imagerift_core.clock_watch import ClockWatch
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.mongo.database import Database
from imagerift_core.s3 import ObjectStore

_CHECK_SECONDS = 3


class Readiness:
    def __init__(self, database: Database, store: ObjectStore, clocks: ClockWatch) -> None:
        self._database = database
        self._store = store
        self._clocks = clocks
        self._prepared = False

    def database_is_prepared(self) -> None:
        self._prepared = True

    async def check(self) -> dict[str, bool]:
        """Each part and whether it answers in time; `clock`: whether MongoDB's is known, and S3's
        agrees with it."""
        mongo, s3 = await asyncio.gather(
            _answers(self._database.ping()), _answers(self._store.ping())
        )
        clock = self._clocks.follows.is_set() and self._clocks.agrees("s3")
        return {"mongodb": mongo, "s3": s3, "indexes": self._prepared, "clock": clock}


READINESS = web.AppKey("readiness", Readiness)


async def _answers(ping: Awaitable[None]) -> bool:
    try:
        await asyncio.wait_for(ping, _CHECK_SECONDS)
    except (CapacityUnavailable, TimeoutError):
        return False
    return True
