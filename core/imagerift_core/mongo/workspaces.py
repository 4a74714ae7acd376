"""Workspaces: who is charged, and on which plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core import clock
from imagerift_core.errors import SUSPENDED, AccountSuspended
from imagerift_core.mongo.account_log import ADMIN_COMMAND, Actor, LogEntry, Logged, logged
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.stored import all_readable, read, readable


class Workspace(BaseModel):
    """Who is charged: a name and a plan. While it is suspended nothing is accepted from it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    name: str
    plan: str
    created_at: datetime
    suspended_at: datetime | None = None

    def require_not_suspended(self) -> None:
        """Raises `AccountSuspended`."""
        if self.suspended_at is not None:
            raise AccountSuspended(f"The workspace '{self.id}' {SUSPENDED}.")


class WorkspaceStore(Store):
    """Workspaces and the plans they are on."""

    async def create(self, workspace: Workspace) -> None:
        await self._database.workspaces.insert_one(workspace.model_dump(by_alias=True))

    async def get(self, workspace_id: str) -> Workspace | None:
        document = await self._database.workspaces.find_one({"_id": workspace_id})
        return read(Workspace, document) if document else None

    async def get_many(self, ids: Sequence[str]) -> dict[str, Workspace]:
        """Those that exist, by id."""
        cursor = self._database.workspaces.find({"_id": {"$in": list(ids)}})
        return {found.id: found async for found in readable(Workspace, cursor)}

    async def all(self) -> list[Workspace]:
        cursor = self._database.workspaces.find().sort("created_at", 1)
        return await all_readable(Workspace, cursor)

    async def set_plan(self, workspace_id: str, plan: str, *, actor: Actor = ADMIN_COMMAND) -> bool:
        """Moves the workspace to another plan, and notes who did. False where there is none."""

        async def body(session: Session) -> Logged[bool]:
            before = await self._database.workspaces.find_one_and_update(
                {"_id": workspace_id}, {"$set": {"plan": plan}}, session=session
            )
            if before is None:
                return False, None
            return True, LogEntry(
                workspace=workspace_id,
                actor=actor,
                action="workspace.plan_changed",
                at=clock.now(),
                target=workspace_id,
                details={"from": str(before["plan"]), "to": plan},
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

        async def body(session: Session) -> Logged[bool]:
            changed = await self._database.workspaces.update_one(
                {"_id": workspace_id, "suspended_at": None if suspended else {"$ne": None}},
                {"$set": {"suspended_at": at if suspended else None}},
                session=session,
            )
            if not changed.matched_count:
                known = await self._database.workspaces.find_one(
                    {"_id": workspace_id}, {"_id": 1}, session=session
                )
                return known is not None, None
            return True, LogEntry(
                workspace=workspace_id,
                actor=actor,
                action="workspace.suspended" if suspended else "workspace.resumed",
                at=at,
                target=workspace_id,
            )

        return await logged(self._database, body)
