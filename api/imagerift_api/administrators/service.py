"""Administrators by name: made and put out by one another, or by the installation's token."""

from __future__ import annotations

from aiohttp import web
from imagerift_core import clock
from imagerift_core.api_keys import hash_token, new_administrator_token
from imagerift_core.errors import InvalidRequest
from imagerift_core.mongo.account_log import INSTALLATION, Actor, LogEntry
from imagerift_core.mongo.administrators import Administrator, AdministratorStore

from imagerift_api.account.service import Accounts
from imagerift_api.administrators.schemas import AdministratorBody


class Roster:
    """Who has a token of their own."""

    def __init__(self, store: AdministratorStore, accounts: Accounts, pepper: bytes) -> None:
        self._store = store
        self._accounts = accounts
        self._pepper = pepper

    async def all(self) -> list[Administrator]:
        return await self._store.all()

    async def create(self, body: AdministratorBody, *, actor: Actor) -> tuple[Administrator, str]:
        """The administrator, and the token that is shown this once. Raises `InvalidRequest`."""
        made, at = new_administrator_token(), clock.now()
        if body.expires_at is not None and body.expires_at <= at:
            raise InvalidRequest("expiresAt must be in the future.", param="expiresAt")
        administrator = Administrator(
            _id=made.key_id,
            name=body.name,
            token_hash=hash_token(made.token, self._pepper),
            last_four=made.last_four,
            created_at=at,
            created_by=actor.name,
            expires_at=body.expires_at,
        )
        await self._store.create(administrator, actor=actor)
        return administrator, made.token

    async def revoke(self, administrator_id: str, *, actor: Actor) -> Administrator:
        """Raises `AdministratorNotFound`."""
        return await self._store.revoke(administrator_id, actor=actor, at=clock.now())

    async def log(self, *, cursor: str | None, limit: int) -> tuple[list[LogEntry], str | None]:
        """A page of the installation's log, as `Accounts.log` of a workspace's."""
        return await self._accounts.log(INSTALLATION, cursor=cursor, limit=limit)


ROSTER = web.AppKey("roster", Roster)
