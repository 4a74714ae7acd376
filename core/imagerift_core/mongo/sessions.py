"""Account sessions: who is signed in where, until they sign out or their time is over."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core.mongo.store import Store
from imagerift_core.stored import all_readable, read


class AccountSession(BaseModel):
    """One sign-in of a person. A token opens nothing once its session is not there any more.

    `address` and `user_agent` say where it began, for the person to recognise it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    person: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime
    address: str | None = None
    user_agent: str | None = None


class SessionStore(Store):
    """Sessions that are open."""

    async def begin(self, session: AccountSession) -> None:
        await self._database.sessions.insert_one(session.model_dump(by_alias=True))

    async def get(self, session: str, *, person: str) -> AccountSession | None:
        """The open session of that person."""
        document = await self._database.sessions.find_one({"_id": session, "person": person})
        return read(AccountSession, document) if document else None

    async def all_of(
        self, person: str, *, at: datetime, used_since: datetime
    ) -> list[AccountSession]:
        """The person's open sessions, the one that was used last first."""
        query = {
            "person": person,
            "expires_at": {"$gt": at},
            "last_used_at": {"$gte": used_since},
        }
        cursor = self._database.sessions.find(query).sort([("last_used_at", -1), ("_id", 1)])
        return await all_readable(AccountSession, cursor)

    async def mark_used(self, session: str, *, at: datetime) -> None:
        await self._database.sessions.update_one({"_id": session}, {"$max": {"last_used_at": at}})

    async def end(self, session: str, *, person: str) -> bool:
        """Ends the person's session on every replica; False where it was not open."""
        gone = await self._database.sessions.delete_one({"_id": session, "person": person})
        return bool(gone.deleted_count)

    async def end_all(self, person: str, *, but: str | None = None) -> int:
        """Ends the person's sessions, except `but`; how many there were."""
        query: dict[str, object] = {"person": person}
        if but is not None:
            query["_id"] = {"$ne": but}
        return int((await self._database.sessions.delete_many(query)).deleted_count)
