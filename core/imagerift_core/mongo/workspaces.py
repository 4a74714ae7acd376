"""Workspaces: who is charged, and on which plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core import clock
from imagerift_core.errors import SUSPENDED, AccountSuspended
from imagerift_core.managed_by import ManagedBy
from imagerift_core.mongo.account_log import (
    ADMIN_COMMAND,
    Action,
    Actor,
    LogEntry,
    Logged,
    logged,
)
from imagerift_core.mongo.holders import free_for
from imagerift_core.mongo.moments import set_once
from imagerift_core.mongo.places import IdPage, id_page
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.stored import read, readable


class Workspace(BaseModel):
    """Who is charged: a name and a plan. While it is suspended nothing is accepted from it.

    `managed_by` is the resource of Kubernetes that says what it is to be, where one does.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    name: str
    plan: str
    created_at: datetime
    suspended_at: datetime | None = None
    managed_by: ManagedBy | None = None

    def require_not_suspended(self) -> None:
        """Raises `AccountSuspended`."""
        if self.suspended_at is not None:
            raise AccountSuspended(f"The workspace '{self.id}' {SUSPENDED}.")


class WorkspaceStore(Store):
    """Workspaces and the plans they are on."""

    async def create(self, workspace: Workspace) -> None:
        await self._database.workspaces.insert_one(workspace.model_dump(by_alias=True))

    async def ensure(self, workspace: Workspace, *, actor: Actor) -> None:
        """Creates the workspace, and notes who did, unless there is one of its id."""

        async def body(session: Session) -> Logged[None]:
            document = workspace.model_dump(by_alias=True)
            known = await self._database.workspaces.update_one(
                {"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True,
                session=session,
            )  # fmt: skip
            if known.matched_count:
                return None, None
            return None, LogEntry(
                workspace=workspace.id,
                actor=actor,
                action="workspace.created",
                at=workspace.created_at,
                target=workspace.id,
                details={"name": workspace.name, "plan": workspace.plan},
            )

        await logged(self._database, body)

    async def claim(
        self, workspace_id: str, holder: ManagedBy, *, others: Collection[str]
    ) -> Workspace | None:
        """The workspace, which `holder` manages from now on; None where another does, or there is
        no such workspace."""
        document = await self._database.workspaces.find_one_and_update(
            {"_id": workspace_id} | free_for(holder, others),
            {"$set": {"managed_by": holder.model_dump()}},
            return_document=True,
        )
        return read(Workspace, document) if document else None

    async def release(self, workspace_id: str, *, uid: str | None = None) -> None:
        """Takes the workspace from the resource that manages it, where that has `uid`."""
        query = {"_id": workspace_id} | ({} if uid is None else {"managed_by.uid": uid})
        await self._database.workspaces.update_one(query, {"$set": {"managed_by": None}})

    async def get(self, workspace_id: str) -> Workspace | None:
        document = await self._database.workspaces.find_one({"_id": workspace_id})
        return read(Workspace, document) if document else None

    async def get_many(self, ids: Sequence[str]) -> dict[str, Workspace]:
        """Those that exist, by id."""
        cursor = self._database.workspaces.find({"_id": {"$in": list(ids)}})
        return {found.id: found async for found in readable(Workspace, cursor)}

    async def page(self, *, after: str, limit: int) -> IdPage[Workspace]:
        """Up to `limit` of all workspaces in the order of their ids, after the id `after`."""
        rows = self._database.workspaces.find({"_id": {"$gt": after}}).sort("_id", 1)
        documents = [document async for document in rows.limit(limit + 1)]
        return id_page(Workspace, documents, limit=limit)

    async def set_plan(self, workspace_id: str, plan: str, *, actor: Actor = ADMIN_COMMAND) -> bool:
        """Moves the workspace to another plan, and notes who did. False where there is none."""
        return await self._set(workspace_id, "plan", plan, "workspace.plan_changed", actor)

    async def rename(self, workspace_id: str, name: str, *, actor: Actor) -> bool:
        """Gives the workspace another name, and notes who did. False where there is none."""
        return await self._set(workspace_id, "name", name, "workspace.renamed", actor)

    async def _set(
        self, workspace_id: str, field: str, value: str, action: Action, actor: Actor
    ) -> bool:
        async def body(session: Session) -> Logged[bool]:
            before = await self._database.workspaces.find_one_and_update(
                {"_id": workspace_id}, {"$set": {field: value}}, session=session
            )
            if before is None:
                return False, None
            return True, LogEntry(
                workspace=workspace_id,
                actor=actor,
                action=action,
                at=clock.now(),
                target=workspace_id,
                details={"from": str(before[field]), "to": value},
            )

        return await logged(self._database, body)

    async def suspend(self, workspace_id: str, *, actor: Actor = ADMIN_COMMAND) -> bool:
        """From now on keys and sessions open nothing in it; what was accepted goes on.

        False where there is no such workspace. The first time stays on record.
        """
        return await self._set_suspended(workspace_id, suspended=True, actor=actor)

    async def resume(self, workspace_id: str, *, actor: Actor = ADMIN_COMMAND) -> bool:
        """Ends a suspension. False where there is no such workspace."""
        return await self._set_suspended(workspace_id, suspended=False, actor=actor)

    async def _set_suspended(self, workspace_id: str, *, suspended: bool, actor: Actor) -> bool:
        at = clock.now()
        entry = LogEntry(
            workspace=workspace_id,
            actor=actor,
            action="workspace.suspended" if suspended else "workspace.resumed",
            at=at,
            target=workspace_id,
        )

        async def body(session: Session) -> Logged[bool]:
            known, since = {"_id": workspace_id}, at if suspended else None
            document, changed = await set_once(
                self._database.workspaces, known, "suspended_at", since, session
            )
            return document is not None, entry if changed else None

        return await logged(self._database, body)
