"""API keys: made and rotated under the plan's lock, whoever asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from aiohttp import web
from imagerift_core import clock
from imagerift_core.api_keys import Scope, ordered_scopes
from imagerift_core.errors import KeyNotFound, RoleNotPermitted
from imagerift_core.mongo.keys import ApiKey, KeyStore
from imagerift_core.mongo.members import MemberStore
from imagerift_core.roles import Role, scopes_of
from imagerift_core.tenants import CreatedKey, KeyMaker

from imagerift_api.auth.sessions import SignedIn


class ApiKeys:
    """What people do about keys on the account page."""

    def __init__(self, keys: KeyStore, members: MemberStore, maker: KeyMaker) -> None:
        self._keys = keys
        self._members = members
        self._maker = maker

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
        permitted = ordered_scopes(scopes_of(by.member.role))
        beyond = [scope for scope in scopes or () if scope not in permitted]
        if beyond:
            raise RoleNotPermitted(
                f"The role '{by.member.role}' does not have the scope '{beyond[0]}'.",
                param="scopes",
            )
        return await self._maker.create(
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
        return await self._maker.rotate(
            by.workspace.id, key_id, person=by.person.id, overlap=overlap, actor=by.actor
        )


API_KEYS = web.AppKey("api_keys", ApiKeys)
