"""The connection, its collections, their indexes, and how a transaction is run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from imagerift_core.errors import CapacityUnavailable
from imagerift_core.mongo.driver_errors import marked, translated, translating
from imagerift_core.mongo.indexes import INDEXES
from imagerift_core.mongo.transactions import MAJORITY, Session, run_transaction

Result = TypeVar("Result")
_MAX_THREADS = 32
# As the server's own lists show our connections.
APP_NAME = "imagerift"


@dataclass(frozen=True)
class BlockingCollections:
    """The driver's own collections, whose calls block: for `Database.run_blocking` alone."""

    jobs: Collection[dict[str, Any]]
    rate_windows: Collection[dict[str, Any]]


class Database:
    """One database with majority writes and primary reads.

    Counters of the rate window alone are acknowledged by the primary: losing the last of them
    in a failover lets a request more through, and costs every other request nothing.
    """

    def __init__(self, client: AsyncIOMotorClient[dict[str, Any]], name: str) -> None:
        self._client = client
        self.admin = client.admin
        self._threads = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="mongo")
        database = client.get_database(
            name,
            read_preference=ReadPreference.PRIMARY,
            write_concern=MAJORITY,
            read_concern=ReadConcern("majority"),
        )
        self.jobs = marked(database.jobs)
        self.counters = marked(database.quota_counters)
        self.ledger = marked(database.ledger)
        self.tombstones = marked(database.tombstones)
        self.workspaces = marked(database.workspaces)
        self.api_keys = marked(database.api_keys)
        self.administrators = marked(database.administrators)
        self.catalogue = marked(database.catalogue)
        self.people = marked(database.people)
        self.members = marked(database.members)
        self.invitations = marked(database.invitations)
        self.sessions = marked(database.sessions)
        self.account_log = marked(database.account_log)
        self.webhooks = marked(database.webhooks)
        self.webhook_secrets = marked(database.webhook_secrets)
        self.deliveries = marked(database.webhook_deliveries)
        self.webhook_breakers = marked(database.webhook_breakers)
        self.idempotency_keys = marked(database.idempotency_keys)
        self.uploads = marked(database.uploads)
        self.upload_bytes = marked(database.upload_bytes)
        self.batches = marked(database.batches)
        self.streams = marked(database.streams)
        self.schema = marked(database.schema)
        self.processes = marked(database.processes)
        self.snapshots = marked(database.scheduler_snapshots)
        self.rate_windows: AsyncIOMotorCollection[dict[str, Any]] = database.get_collection(
            "rate_windows", write_concern=WriteConcern(w=1)
        )
        self._blocking = BlockingCollections(
            jobs=self.jobs.delegate, rate_windows=self.rate_windows.delegate
        )

    def close(self) -> None:
        """Waits for blocking calls that are under way."""
        self._threads.shutdown()

    async def run_blocking(self, work: Callable[[BlockingCollections], Result]) -> Result:
        """Runs `work` with the driver's own blocking calls, in one of its threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, work, self._blocking)

    async def ping(self) -> None:
        """Raises `CapacityUnavailable` where the primary does not answer, or refuses us."""
        try:
            await self.admin.command("ping")
        except PyMongoError as error:
            raise CapacityUnavailable("The job store does not answer.") from error

    @translated
    async def time(self) -> datetime:
        """What the primary's own clock says."""
        said: datetime = (await self.admin.command("hello"))["localTime"]
        # Commands are answered without the time zone that the client asks for; it is UTC.
        return said.replace(tzinfo=UTC)

    @translated
    async def ensure_indexes(self) -> None:
        """Creates what is missing; again, it changes nothing.

        Collections are read and written meanwhile, and releases that know none of this go on.
        """
        for name, indexes in INDEXES.items():
            await self.jobs.database[name].create_indexes(indexes)

    async def transaction(self, body: Callable[[Session], Awaitable[Result]]) -> Result:
        """Runs `body(session)` in one transaction; see `run_transaction`."""
        async with await self._client.start_session() as session:
            return await run_transaction(session, body)


@asynccontextmanager
async def connect(
    url: str, name: str, tls: Mapping[str, Any] | None = None
) -> AsyncIterator[Database]:
    """The database `name`; `tls` are options of the driver (`SharedSettings.mongo_tls`)."""
    with translating():
        client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
            url,
            tz_aware=True,
            serverSelectionTimeoutMS=5_000,
            connectTimeoutMS=5_000,
            socketTimeoutMS=20_000,
            maxPoolSize=64,
            appname=APP_NAME,
            **(tls or {}),
        )
    try:
        database = Database(client, name)
        try:
            yield database
        finally:
            database.close()
    finally:
        client.close()
