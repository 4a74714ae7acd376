"""API keys: made and rotated under the plan's lock, whoever asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web
from imagerift_core import clock
from imagerift_core.api_keys import (
    ALL_SCOPES,
    Scope,
    hash_token,
    new_api_key,
    new_token_of,
    ordered_scopes,
)
from imagerift_core.errors import (
    ApiAccessLocked,
    InvalidRequest,
    KeyNotFound,
    RoleNotPermitted,
    WorkspaceNotFound,
)
from imagerift_core.mongo.account_log import ADMIN_COMMAND, Actor
from imagerift_core.mongo.keys import ApiKey, KeyStore, NewSecret
from imagerift_core.mongo.members import MemberStore
from imagerift_core.mongo.workspaces import WorkspaceStore
from imagerift_core.plans import Plan, Plans
from imagerift_core.roles import Role, scopes_of

from imagerift_api.auth.sessions import SignedIn


@dataclass(frozen=True)
class CreatedKey:
    """The stored key, and its token: shown once, kept nowhere."""

    key: ApiKey
    token: str


class ApiKeys:
    """The one way in which tokens come to be, for the admin command and the account page alike."""

    def __init__(
        self,
        keys: KeyStore,
        workspaces: WorkspaceStore,
        members: MemberStore,
        plans: Plans,
        pepper: bytes,
    ) -> None:
        self._keys = keys
        self._workspaces = workspaces
        self._members = members
        self._plans = plans
        self._pepper = pepper

    async def create(
        self,
        workspace_id: str,
        name: str,
        *,
        scopes: Sequence[Scope] = ALL_SCOPES,
        expires_at: datetime | None = None,
        created_by: str | None = None,
        actor: Actor = ADMIN_COMMAND,
    ) -> CreatedKey:
        """Raises `WorkspaceNotFound`, or `ApiAccessLocked` where the plan has no API access.

        A key with `created_by` can do no more than that person's role, and is revoked when they
        leave the workspace. Without `expires_at` the plan's `key_days` decide.
        """
        plan = await self._plan_with_access(workspace_id)
        made, at = new_api_key(), clock.now()
        if expires_at is None and plan.key_days is not None:
            expires_at = at + timedelta(days=plan.key_days)
        key = ApiKey(
            _id=made.key_id,
            workspace=workspace_id,
            name=name,
            token_hash=hash_token(made.token, self._pepper),
            prefix=made.prefix,
            last_four=made.last_four,
            scopes=list(scopes),
            created_at=at,
            expires_at=expires_at,
            created_by=created_by,
        )
        await self._keys.create(key, actor=actor)
        return CreatedKey(key, made.token)

    async def create_own(
        self,
        by: SignedIn,
        name: str,
        *,
        scopes: Sequence[Scope] | None,
        expires_at: datetime | None,
    ) -> CreatedKey:
        """A key of a member's own; without `scopes` it has all of their role's.

        Raises `InvalidRequest`, `RoleNotPermitted`, `WorkspaceNotFound` or `ApiAccessLocked`.
        """
        if expires_at is not None and expires_at <= clock.now():
            raise InvalidRequest("expiresAt must be in the future.", param="expiresAt")
        permitted = ordered_scopes(scopes_of(by.member.role))
        beyond = [scope for scope in scopes or () if scope not in permitted]
        if beyond:
            raise RoleNotPermitted(
                f"The role '{by.member.role}' does not have the scope '{beyond[0]}'.",
                param="scopes",
            )
        return await self.create(
            by.workspace.id,
            name,
            scopes=scopes or permitted,
            expires_at=expires_at,
            created_by=by.person.id,
            actor=by.actor,
        )

    async def all_of(self, workspace_id: str) -> list[tuple[ApiKey, Role | None]]:
        """Each key, oldest first, with the role of the member who made it."""
        keys = await self._keys.all_of(workspace_id)
        members = await self._members.all_of(workspace_id)
        roles = {member.person: member.role for member in members}
        return [(key, roles.get(key.created_by or "")) for key in keys]

    async def revoke(self, by: SignedIn, key_id: str) -> tuple[ApiKey, Role | None]:
        """The revoked key, with the role of the member who made it.

        Raises `KeyNotFound` or `RoleNotPermitted`.
        """
        key = await self._keys.get(key_id)
        if key is None or key.workspace != by.workspace.id:
            raise KeyNotFound("There is no such key.")
        by.require("keys:own" if key.created_by == by.person.id else "keys:any")
        revoked = await self._keys.revoke(by.workspace.id, key_id, actor=by.actor, at=clock.now())
        maker = await self._members.get(key.workspace, key.created_by or "")
        return revoked, maker.role if maker else None

    async def rotate(self, by: SignedIn, key_id: str, *, overlap: timedelta) -> CreatedKey:
        """A new secret under the same id for a person's own key; the old one lives for `overlap`.

        Raises `KeyNotFound`, `KeyNotRotatable`, `RoleNotPermitted`, `WorkspaceNotFound` or
        `ApiAccessLocked`.
        """
        await self._plan_with_access(by.workspace.id)
        made = new_token_of(key_id)
        at = clock.now()
        key = await self._keys.rotate(
            by.workspace.id,
            key_id,
            NewSecret(hash_token(made.token, self._pepper), made.last_four),
            person=by.person.id,
            overlap_until=at + overlap,
            actor=by.actor,
            at=at,
        )
        return CreatedKey(key, made.token)

    async def _plan_with_access(self, workspace_id: str) -> Plan:
        workspace = await self._workspaces.get(workspace_id)
        if workspace is None:
            raise WorkspaceNotFound(f"There is no workspace '{workspace_id}'.")
        plan = self._plans.get(workspace.plan)
        if plan is None or not plan.api_access:
            raise ApiAccessLocked(
                f"The plan '{workspace.plan}' has no API access; keys cannot be created."
            )
        return plan


API_KEYS = web.AppKey("api_keys", ApiKeys)
