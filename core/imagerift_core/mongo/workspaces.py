"""Workspaces: who is charged, and on which plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core import clock
from imagerift_core.mongo.account_log import ADMIN_COMMAND, Actor, LogEntry, Logged, logged
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.stored import all_readable, read, readable


class Workspace(BaseModel):
    """Who is charged: a name and a plan."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    name: str
    plan: str
    created_at: datetime


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
