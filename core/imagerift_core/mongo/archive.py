"""The whole database as one file, of one moment, and back; for rehearsals and small installations.

The file is gzip of BSON documents: first one that says what follows, then one a document with its
collection. It is read in a snapshot session, for which MongoDB keeps history for five minutes as
shipped (`minSnapshotHistoryWindowInSeconds`): what takes longer is refused by the server, and is a
matter for `mongodump` or a snapshot of a disk.
"""

from __future__ import annotations

import gzip
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any, BinaryIO, cast

import bson
from motor.motor_asyncio import AsyncIOMotorDatabase

from imagerift_core.clock import now, rfc3339
from imagerift_core.errors import DomainError
from imagerift_core.mongo.audit import QuotaAudit
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.store import Store

_FORMAT = "imagerift-archive-1"
_AT_ONCE = 500
# What is nobody's past: rows of processes and of windows of a minute.
_LEFT_OUT = frozenset({"processes", "rate_windows", "streams"})


@dataclass(frozen=True)
class Kept:
    """How many documents a file holds, by collection, and the seconds that it took."""

    documents: dict[str, int]
    seconds: float


class ArchiveRefused(DomainError):
    """A file that is none of ours, or a database that something is in."""

    code = "archive_refused"


class Archive(Store):
    """Writes one database into a file, and such a file into a database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._collections = cast(AsyncIOMotorDatabase[dict[str, Any]], database.jobs.database)

    async def back_up(self, to: IO[bytes]) -> Kept:
        """Writes every document, as they all were at one moment."""
        began, documents = time.monotonic(), Counter[str]()
        names = [
            name
            for name in await _names(self._collections)
            if name not in _LEFT_OUT and not name.startswith("system.")
        ]
        with gzip.GzipFile(fileobj=to, mode="wb", compresslevel=1, mtime=0) as file:
            file.write(bson.encode({"format": _FORMAT, "at": rfc3339(now())}))
            async with await self._collections.client.start_session(snapshot=True) as session:
                for name in names:
                    async for document in self._collections[name].find(session=session):
                        file.write(bson.encode({"c": name, "d": document}))
                        documents[name] += 1
        return Kept(dict(documents), round(time.monotonic() - began, 2))

    async def put_back(self, source: IO[bytes]) -> Kept:
        """Writes a file's documents into this database, in which nothing may be, and its indexes.

        `source` is read twice.

        Raises `ArchiveRefused`.
        """
        began, documents = time.monotonic(), Counter[str]()
        for name in await _names(self._collections):
            taken = await self._collections[name].find_one({}, {"_id": 1})
            if name not in _LEFT_OUT and taken is not None:
                raise ArchiveRefused(f"The database has documents already (in {name}).")
        # Read to its end first: of a file that is cut off nothing is put back.
        for _ in _groups(source):
            pass
        source.seek(0)
        await self._database.ensure_indexes()
        for name, group in _groups(source):
            await self._collections[name].insert_many(group)
            documents[name] += len(group)
        return Kept(dict(documents), round(time.monotonic() - began, 2))

    async def rehearse(self, source: IO[bytes]) -> dict[str, Any]:
        """Puts a file back into the database `NAME-drill`, audits it there, and drops it again.

        Raises `ArchiveRefused`, also where there is such a database.
        """
        async with _beside(self._collections, f"{self._collections.name}-drill") as database:
            kept = await Archive(database).put_back(source)
            began = time.monotonic()
            differences = await QuotaAudit(database).differences()
            return asdict(kept) | {
                "auditSeconds": round(time.monotonic() - began, 2),
                "differences": [asdict(difference) for difference in differences],
            }


@asynccontextmanager
async def _beside(collections: AsyncIOMotorDatabase[dict[str, Any]], name: str) -> Any:
    """An empty database on the same server, which is dropped at the block's end."""
    if await _names(collections.client[name]):
        raise ArchiveRefused(
            f"There is a database {name}: another rehearsal runs, or one was killed; then drop it."
        )
    database = Database(collections.client, name)
    try:
        yield database
    finally:
        database.close()
        await collections.client.drop_database(name)


async def _names(collections: AsyncIOMotorDatabase[dict[str, Any]]) -> list[str]:
    # A user with rights on collections alone may see which ones there are, and no more of them.
    return sorted(await collections.list_collection_names(authorizedCollections=True))


def _groups(source: IO[bytes]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The file's documents, in groups of one collection. Raises `ArchiveRefused`."""
    try:
        with gzip.GzipFile(fileobj=source, mode="rb") as file:
            rows: Iterator[dict[str, Any]] = bson.decode_file_iter(cast(BinaryIO, file))
            if next(rows, {}).get("format") != _FORMAT:
                raise ArchiveRefused("The file is no archive of imagerift admin store backup.")
            name, group = "", list[dict[str, Any]]()
            for row in rows:
                if group and (row["c"] != name or len(group) == _AT_ONCE):
                    yield name, group
                    group = []
                name = row["c"]
                group.append(row["d"])
            if group:
                yield name, group
    except (OSError, EOFError, bson.errors.InvalidBSON, KeyError) as error:
        raise ArchiveRefused(f"The file cannot be read to its end: {error}") from error
