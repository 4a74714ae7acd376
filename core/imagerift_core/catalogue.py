"""Which plans and modes an installation has: those of its files, and those that were added.

An added one of a file's name stands in that one's place for as long as it is there. One without is
ended in two steps: nothing new begins on it from then on, and once every process knows that and
nothing is left that uses it, it goes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from imagerift_core.clock import now
from imagerift_core.errors import (
    CapacityUnavailable,
    CatalogueEntryNotFound,
    CatalogueEntryUsed,
    InvalidRequest,
)
from imagerift_core.generation import MAX_MODE_NAME, MODE_NAME
from imagerift_core.modes import Mode, Modes
from imagerift_core.mongo.account_log import Actor
from imagerift_core.mongo.catalogue import MOST_COUNTED, CatalogueStore, Entry, Kind
from imagerift_core.plans import FIRST_PLAN, Plan, Plans

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 2.0
# When every process has learnt of what was added, as long as nothing holds one up,
KNOWN_AFTER = timedelta(seconds=2 * REFRESH_SECONDS)
# and, whatever holds one up for a while, that nothing new may begin on what is to go.
KNOWN_EVERYWHERE_AFTER = timedelta(seconds=15)
# An operator that told nothing for so long is not there any more.
_ALIVE = timedelta(minutes=2)
MODELS: Mapping[Kind, type[BaseModel]] = {"plan": Plan, "mode": Mode}


@dataclass(frozen=True)
class Offer:
    """A plan or mode; `entry` is None for one of the files that nothing stands in the place of."""

    name: str
    content: BaseModel
    entry: Entry | None
    is_of_files: bool


class Catalogue:
    """The plans and modes as this process knows them. The mappings stay the same objects.

    `plans` and `modes` are all that there are; `open_plans` and `open_modes` those that something
    new may begin on.
    """

    def __init__(self, store: CatalogueStore, plans: Plans, modes: Modes) -> None:
        self._store = store
        self._files: dict[Kind, dict[str, Any]] = {"plan": dict(plans), "mode": dict(modes)}
        self.plans, self.open_plans = dict(plans), dict(plans)
        self.modes, self.open_modes = dict(modes), dict(modes)

    async def refresh(self) -> list[Entry]:
        """Reads what was added; all of it. Raises `CapacityUnavailable`."""
        entries = await self._store.all()
        self._take("plan", entries, self.plans, self.open_plans)
        self._take("mode", entries, self.modes, self.open_modes)
        return entries

    async def run(self) -> None:
        """Keeps up until canceled, and ends what waits for its end."""
        while True:
            try:
                for entry in await self.refresh():
                    if entry.retired_at is not None:
                        await self._end(entry)
            except CapacityUnavailable as error:
                log.warning("catalogue_not_read", error=str(error))
            await asyncio.sleep(REFRESH_SECONDS)

    def is_of_files(self, kind: Kind, name: str) -> bool:
        """Whether the installation's files have one of that name."""
        return name in self._files[kind]

    async def offers(self, kind: Kind) -> list[Offer]:
        """All of them, by their names."""
        added = {entry.name: entry for entry in await self.refresh() if entry.kind == kind}
        known: Mapping[str, BaseModel] = self.plans if kind == "plan" else self.modes
        return [
            Offer(name, content, added.get(name), self.is_of_files(kind, name))
            for name, content in sorted(known.items())
        ]

    async def offer(self, kind: Kind, name: str) -> Offer:
        """Raises `CatalogueEntryNotFound`."""
        for offer in await self.offers(kind):
            if offer.name == name:
                return offer
        raise CatalogueEntryNotFound(f"There is no {kind} '{name}'.")

    async def put(self, kind: Kind, name: str, content: BaseModel, *, actor: Actor) -> Entry:
        """Adds it, or has it as `content` from now on. Raises `InvalidRequest` for its name."""
        check_name(name)
        fields = content.model_dump(mode="json", by_alias=True)
        entry = await self._store.put(kind, name, fields, actor=actor, at=now())
        await self.refresh()
        return entry

    async def release(self, kind: Kind, name: str) -> None:
        """Takes it from the resource that manages it, as when that one's namespace was lost."""
        await self._store.release(kind, name)

    async def take_away(self, kind: Kind, name: str, *, actor: Actor) -> str | None:
        """Ends it. What is waited for, None once it is gone.

        Raises `CatalogueEntryNotFound`.
        """
        entry = await self._store.retire(kind, name, actor=actor, at=now())
        waits_for = await self._end(entry)
        await self.refresh()
        return waits_for

    async def check_unused(self, kind: Kind, name: str) -> None:
        """Raises `CatalogueEntryUsed` where it would not go for as long as something uses it."""
        used = None if self.is_of_files(kind, name) else await self._use_of(kind, name)
        if used is not None:
            raise CatalogueEntryUsed(f"The {kind} '{name}' is in use: {used}.")

    async def _end(self, entry: Entry) -> str | None:
        """What a retired one waits for; None once it is removed."""
        kind, name = entry.kind, entry.name
        if not self.is_of_files(kind, name):
            used = await self._use_of(kind, name)
            if used is not None:
                return f"Nothing new begins on it; {used}."
            if now() < (entry.retired_at or now()) + KNOWN_EVERYWHERE_AFTER:
                return "Nothing uses it; it goes once every process knows that nothing new may."
        await self._store.remove(entry)
        return None

    async def _use_of(self, kind: Kind, name: str) -> str | None:
        """What uses it, in words. A suspended workspace uses nothing: its plan can be changed."""
        if kind == "plan":
            if name == FIRST_PLAN:
                return "new accounts begin on it"
            count = await self._store.workspaces_on(name)
            if count <= 1:
                return "1 workspace is on it" if count else None
            more = " or more" if count == MOST_COUNTED else ""
            return f"{count}{more} workspaces are on it"
        shards = await self._store.shards_that_serve(name, since=now() - _ALIVE)
        if shards:
            return f"pools in {', '.join(shards)} serve it"
        return "jobs of it have not ended" if await self._store.has_live_jobs(name) else None

    def _take(
        self, kind: Kind, entries: list[Entry], every: dict[str, Any], opened: dict[str, Any]
    ) -> None:
        added = {entry.name: entry for entry in entries if entry.kind == kind}
        found = {name: content_of(entry) for name, entry in added.items()}
        wanted = self._files[kind] | {name: one for name, one in found.items() if one is not None}
        retired = {name for name, entry in added.items() if entry.retired_at is not None}
        _become(every, wanted)
        # A file's own is there again as soon as what stood in its place is gone.
        closed = retired - set(self._files[kind])
        _become(opened, {name: one for name, one in wanted.items() if name not in closed})


def content_of(entry: Entry) -> BaseModel | None:
    """The plan or mode; None where it is of a form that this release does not know."""
    model = MODELS.get(entry.kind)
    try:
        return model.model_validate(entry.content) if model else None
    except ValidationError:
        log.warning("catalogue_entry_not_known", kind=entry.kind, name=entry.name)
        return None


def check_name(name: str) -> None:
    """Raises `InvalidRequest` for what is no name of a plan or mode."""
    if len(name) > MAX_MODE_NAME or re.fullmatch(MODE_NAME, name) is None:
        raise InvalidRequest(
            f"The name must begin with a letter and have {MAX_MODE_NAME} characters at most: "
            "lower-case letters, digits and hyphens.",
            param="name",
        )


def _become(known: dict[str, Any], wanted: Mapping[str, Any]) -> None:
    """In one step for whoever reads it: nothing else runs in between."""
    if known != wanted:
        known.clear()
        known.update(wanted)
