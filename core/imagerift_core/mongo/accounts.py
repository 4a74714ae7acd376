"""Workspaces and their API keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core import clock
from imagerift_core.mongo.account_log import ADMIN_COMMAND, Actor, LogEntry, Logged, logged
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import translated
from imagerift_core.mongo.transactions import Session
from imagerift_core.roles import Role, scopes_of


class Workspace(BaseModel):
    """Who is charged: a name and a plan."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    name: str
    plan: str
    created_at: datetime


class ApiKey(BaseModel):
    """A key as stored: its keyed hash, never the token.

    After a rotation the token before lives on under `previous_hash` until `previous_until`.
    `created_by` is the person on whose membership and role the key depends, None for the
    operator's.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    workspace: str
    name: str
    token_hash: str
    prefix: str
    last_four: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    created_by: str | None = None
    previous_hash: str | None = None
    previous_until: datetime | None = None
    rotated_at: datetime | None = None

    def scopes_under(self, role: Role | None) -> frozenset[str]:
        """What the key may do while its person has `role`; all of its scopes where it has none."""
        scopes = frozenset(self.scopes)
        return scopes if role is None else scopes & scopes_of(role)


@translated
async def create_workspace(database: Database, workspace: Workspace) -> None:
    await database.workspaces.insert_one(workspace.model_dump(by_alias=True))


@translated
async def get_workspace(database: Database, workspace_id: str) -> Workspace | None:
    document = await database.workspaces.find_one({"_id": workspace_id})
    return Workspace.model_validate(document) if document else None


@translated
async def get_workspaces(database: Database, ids: Sequence[str]) -> dict[str, Workspace]:
    """Those that exist, by id."""
    cursor = database.workspaces.find({"_id": {"$in": list(ids)}})
    return {document["_id"]: Workspace.model_validate(document) async for document in cursor}


@translated
async def list_workspaces(database: Database) -> list[Workspace]:
    cursor = database.workspaces.find().sort("created_at", 1)
    return [Workspace.model_validate(document) async for document in cursor]


@translated
async def set_plan(
    database: Database, workspace_id: str, plan: str, *, actor: Actor = ADMIN_COMMAND
) -> bool:
    """Moves the workspace to another plan, and notes who did. False where there is none."""

    async def body(session: Session) -> Logged[bool]:
        before = await database.workspaces.find_one_and_update(
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

    return await logged(database, body)


@translated
async def get_key(database: Database, key_id: str) -> ApiKey | None:
    document = await database.api_keys.find_one({"_id": key_id})
    return ApiKey.model_validate(document) if document else None


@translated
async def list_keys(database: Database, workspace_id: str) -> list[ApiKey]:
    cursor = database.api_keys.find({"workspace": workspace_id}).sort("created_at", 1)
    return [ApiKey.model_validate(document) async for document in cursor]


@translated
async def touch_keys(database: Database, key_ids: Sequence[str], *, at: datetime) -> None:
    """Notes that the keys were used; called for many requests at once."""
    await database.api_keys.update_many(
        {"_id": {"$in": list(key_ids)}}, {"$max": {"last_used_at": at}}
    )
