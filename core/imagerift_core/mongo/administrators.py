"""Administrators by name: each has a token of their own for the admin REST API."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core.errors import AdministratorNotFound
from imagerift_core.mongo.account_log import INSTALLATION, Actor, LogEntry, Logged, logged
from imagerift_core.mongo.moments import set_once
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.stored import all_readable, read


class Administrator(BaseModel):
    """As stored: the keyed hash of the token, never the token."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    name: str
    token_hash: str
    last_four: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class AdministratorStore(Store):
    """Each change is one transaction with its entry in the installation's log."""

    async def get(self, administrator_id: str) -> Administrator | None:
        document = await self._database.administrators.find_one({"_id": administrator_id})
        return read(Administrator, document) if document else None

    async def all(self) -> list[Administrator]:
        """Those who were revoked as well, in the order of their ids."""
        return await all_readable(Administrator, self._database.administrators.find().sort("_id"))

    async def create(self, administrator: Administrator, *, actor: Actor) -> None:
        async def body(session: Session) -> Logged[None]:
            document = administrator.model_dump(by_alias=True)
            await self._database.administrators.insert_one(document, session=session)
            return None, LogEntry(
                workspace=INSTALLATION,
                actor=actor,
                action="administrator.created",
                at=administrator.created_at,
                target=administrator.id,
                details={"name": administrator.name},
            )

        await logged(self._database, body)

    async def revoke(self, administrator_id: str, *, actor: Actor, at: datetime) -> Administrator:
        """The first time stays on record. Raises `AdministratorNotFound`."""

        async def body(session: Session) -> Logged[Administrator]:
            everybody, known = self._database.administrators, {"_id": administrator_id}
            document, changed = await set_once(everybody, known, "revoked_at", at, session)
            if document is None:
                raise AdministratorNotFound("There is no such administrator.")
            revoked = read(Administrator, document)
            entry = LogEntry(
                workspace=INSTALLATION,
                actor=actor,
                action="administrator.revoked",
                at=at,
                target=revoked.id,
                details={"name": revoked.name},
            )
            return revoked, entry if changed else None

        return await logged(self._database, body)
