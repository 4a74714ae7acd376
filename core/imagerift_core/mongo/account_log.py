"""The log of account actions: who did what, when, and from where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core.ids import new_log_id
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.places import after_place
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.stored import KEPT, all_readable

Result = TypeVar("Result")
ActorKind = Literal["person", "key", "operator"]
Action = Literal[
    "account.created",
    "account.signed_in",
    "account.suspended",
    "account.resumed",
    "workspace.created",
    "workspace.renamed",
    "workspace.plan_changed",
    "workspace.suspended",
    "workspace.resumed",
    "key.created",
    "key.rotated",
    "key.revoked",
    "member.invited",
    "member.invitation_revoked",
    "member.added",
    "member.role_changed",
    "member.removed",
    "webhook.created",
    "webhook.deleted",
    "webhook.disabled",
    "webhook.replayed",
    "webhook.secret_rotated",
    "plan.set",
    "plan.retired",
    "mode.set",
    "mode.retired",
    "administrator.created",
    "administrator.revoked",
]
# In the place of a workspace, where an entry is of the whole installation.
INSTALLATION = "installation"


class Actor(BaseModel):
    """Who acts: a signed-in person, an API key, or an administrator.

    `address` is the network address that the request came from, None where none did.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Annotated[ActorKind, KEPT]
    id: str
    name: str
    address: str | None = None


ADMIN_COMMAND = Actor(kind="operator", id="imagerift-admin", name="imagerift admin")


class LogEntry(BaseModel):
    """One action. `details` holds names and settings, never a secret."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id", default_factory=new_log_id)
    workspace: str
    at: datetime
    actor: Actor
    action: Annotated[Action, KEPT]
    target: str | None = None
    details: dict[str, str] = Field(default_factory=dict)


# What a change answers, and its entry; None where nothing was changed.
Logged = tuple[Result, LogEntry | None]


async def logged(
    database: Database, change: Callable[[Session], Awaitable[Logged[Result]]]
) -> Result:
    """The result of `change`, whose entry is added in the transaction that it runs in."""

    async def both(session: Session) -> Result:
        result, entry = await change(session)
        if entry is not None:
            document = entry.model_dump(by_alias=True)
            await database.account_log.insert_one(document, session=session)
        return result

    return await database.transaction(both)


class AccountLogStore(Store):
    """The account log of every workspace."""

    async def append(self, entry: LogEntry) -> None:
        """Adds the entry of an action whose write, if any, is made already."""
        await self._database.account_log.insert_one(entry.model_dump(by_alias=True))

    async def page(
        self, workspace: str, *, before: tuple[datetime, str] | None, limit: int
    ) -> list[LogEntry]:
        """Up to `limit` entries of the workspace, newest first, after the place `before`."""
        query: dict[str, Any] = {"workspace": workspace}
        if before is not None:
            query |= after_place(before, field="at")
        cursor = self._database.account_log.find(query).sort([("at", -1), ("_id", -1)]).limit(limit)
        return await all_readable(LogEntry, cursor)
