"""Which jobs change, as one change stream over all of them tells it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import translated, translating

# Ids alone: whoever follows a job reads its record.
_PIPELINE = [{"$project": {"documentKey": 1}}]
_AWAIT_MILLISECONDS = 1_000


class JobChangeStream:
    """The stream, which each reader opens anew."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[str]]:
        """The ids of jobs that change from here on, in order; every change is named at least once.

        Raises `CapacityUnavailable`, on entering or while reading, where the store goes away.
        """
        with translating():
            async with self._database.jobs.watch(
                _PIPELINE, max_await_time_ms=_AWAIT_MILLISECONDS
            ) as stream:
                # The first call is what opens it on the server.
                first = await stream.try_next()

                @translated
                async def ids() -> AsyncIterator[str]:
                    if first is not None:
                        yield first["documentKey"]["_id"]
                    async for change in stream:
                        yield change["documentKey"]["_id"]

                yield ids()
