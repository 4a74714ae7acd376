"""Steps of the database from one release's form to the next: forward beside the release before,
and back.

A step has two halves. The first makes what the new release needs and takes nothing away, so that
the release before goes on; each API does it when it starts. The second takes away what no release
needs any more; an administrator has it done once no process of the release before is left. Its
way back makes again what that release needs. Each may be done twice, and changes nothing then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from imagerift_core.clock import now
from imagerift_core.errors import CapacityUnavailable, DomainError
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.indexes import REPLACED
from imagerift_core.mongo.store import Store

log = structlog.get_logger(__name__)

_ID = "database"
# A process says so often that it is there, and counts as gone after so long.
SEEN_EVERY_SECONDS = 30.0
GONE_AFTER = timedelta(seconds=90)

Work = Callable[[Database], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """From the form before to `version`. `expand` is None where indexes are all that is added."""

    version: int
    name: str
    contract: Work
    back: Work
    expand: Work | None = None


async def _drop_replaced_indexes(database: Database) -> None:
    collections = database.jobs.database
    for name, replaced in REPLACED.items():
        known = await collections[name].index_information()
        for index in {index.document["name"] for index in replaced} & set(known):
            await collections[name].drop_index(index)


async def _make_replaced_indexes(database: Database) -> None:
    for name, replaced in REPLACED.items():
        await database.jobs.database[name].create_indexes(replaced)


STEPS = (
    Step(
        2,
        "queries by status, and of a period's ledger, have indexes of their own",
        contract=_drop_replaced_indexes,
        back=_make_replaced_indexes,
    ),
)
# The form that this release makes and needs; 1 is that of a database without any mark.
DATABASE_VERSION = STEPS[-1].version


@dataclass(frozen=True)
class Form:
    """Which form a database has: what was made up to `expanded`, what was taken away up to
    `contracted`, and that no process of a release before `needed` may work on it."""

    expanded: int = 1
    contracted: int = 1
    needed: int = 1


@dataclass(frozen=True)
class Process:
    """A process that works on the database, of the release that makes this version."""

    id: str
    kind: str
    version: int
    seen_at: datetime


class ReleaseTooOld(DomainError):
    """What this release needs has been taken away from the database."""

    code = "release_too_old"


class ReleaseStillThere(DomainError):
    """Processes of an older release need what would be taken away."""

    code = "release_still_there"


class Migrations(Store):
    """The form of one database, as releases of `steps` see it."""

    def __init__(self, database: Database, steps: Sequence[Step] = STEPS) -> None:
        super().__init__(database)
        self._steps = steps
        self._version = steps[-1].version

    async def form(self) -> Form:
        """The database's form; the first where it has no mark."""
        document = await self._database.schema.find_one({"_id": _ID})
        if document is None:
            return Form()
        return Form(document["expanded"], document["contracted"], document["needed"])

    async def check(self) -> Form:
        """The form. Raises `ReleaseTooOld` where this release cannot work on it."""
        form = await self.form()
        if form.needed > self._version:
            raise ReleaseTooOld(
                f"The database takes releases of version {form.needed} of its form and later; this "
                f"one is of version {self._version}. Go back first: imagerift admin store back."
            )
        return form

    async def expand(self) -> Form:
        """Makes what this release needs, and leaves what the one before needs.

        Raises `ReleaseTooOld`.
        """
        form = await self.check()
        if await self._is_new():
            # There is no release before of whose form anything could be left.
            await self._mark(contracted=self._version, needed=1)
        await self._database.ensure_indexes()
        for step in self._steps:
            if step.version > form.expanded and step.expand is not None:
                await step.expand(self._database)
        await self._mark(expanded=self._version)
        return await self.form()

    async def contract(self, at: datetime) -> Form:
        """Takes away what only releases before this one need.

        Raises `ReleaseStillThere` where a process of one was seen lately; those of releases that
        know nothing of this are not seen.
        """
        form = await self.expand()
        older = [each for each in await self.processes(at) if each.version < self._version]
        if older:
            names = ", ".join(f"{each.kind} {each.id} ({each.version})" for each in older)
            raise ReleaseStillThere(f"Older processes work on this database: {names}.")
        # Said first: whoever starts meanwhile is not to rely on what is about to go.
        await self._mark(needed=self._version)
        for step in self._steps:
            if step.version > form.contracted:
                await step.contract(self._database)
        await self._mark(contracted=self._version)
        return await self.form()

    async def back(self, version: int) -> Form:
        """Makes again what the release of `version` needs; this one goes on beside it."""
        form = await self.check()
        for step in reversed(self._steps):
            if version < step.version <= form.expanded:
                await step.back(self._database)
        below = {name: min(getattr(form, name), version) for name in ("contracted", "needed")}
        await self._database.schema.update_one(
            {"_id": _ID}, {"$set": below | {"expanded": min(form.expanded, version)}}, upsert=True
        )
        return await self.form()

    async def say_it_is_there(self, process_id: str, kind: str, at: datetime) -> None:
        """Notes that a process of this release works on the database."""
        row = {"kind": kind, "version": self._version, "seen_at": at}
        await self._database.processes.update_one({"_id": process_id}, {"$set": row}, upsert=True)

    async def processes(self, at: datetime) -> list[Process]:
        """The processes that were there lately."""
        lately = {"seen_at": {"$gt": at - GONE_AFTER}}
        rows = self._database.processes.find(lately)
        return [
            Process(row["_id"], row["kind"], row["version"], row["seen_at"]) async for row in rows
        ]

    async def _is_new(self) -> bool:
        return (
            await self._database.schema.find_one({"_id": _ID}) is None
            and await self._database.workspaces.find_one({}, {"_id": 1}) is None
            and await self._database.jobs.find_one({}, {"_id": 1}) is None
        )

    async def _mark(self, **versions: Any) -> None:
        first = {name: 1 for name in ("expanded", "contracted", "needed") if name not in versions}
        await self._database.schema.update_one(
            {"_id": _ID}, {"$max": versions, "$setOnInsert": first}, upsert=True
        )


class Presence:
    """Says again and again that a process is there, and of which release it is."""

    def __init__(self, migrations: Migrations, process_id: str, kind: str) -> None:
        self._migrations = migrations
        self._id = process_id
        self._kind = kind

    async def run(self) -> None:
        """Tells it until canceled, whatever MongoDB answers."""
        while True:
            try:
                await self._migrations.say_it_is_there(self._id, self._kind, now())
                await self._migrations.check()
            except CapacityUnavailable as error:
                log.warning("presence_not_told", error=str(error))
            except ReleaseTooOld as error:
                log.error("release_too_old", words=error.message)  # noqa: TRY400
            await asyncio.sleep(SEEN_EVERY_SECONDS)
