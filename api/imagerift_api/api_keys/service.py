"""API keys: made and rotated under the plan's lock, whoever asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from imagerift_core import clock
from imagerift_core.api_keys import ALL_SCOPES, Scope, hash_token, new_api_key, new_token_of
from imagerift_core.errors import ApiAccessLocked, WorkspaceNotFound
from imagerift_core.mongo.account_log import ADMIN_COMMAND, Actor
from imagerift_core.mongo.keys import ApiKey, KeyStore, NewSecret
from imagerift_core.mongo.workspaces import WorkspaceStore
from imagerift_core.plans import Plans

MAX_OVERLAP_DAYS = 7


@dataclass(frozen=True)
class CreatedKey:
    """The stored key, and its token: shown once, kept nowhere."""

    key: ApiKey
    token: str


class KeyCreation:
    """The one way in which tokens come to be, for the admin command and the account page alike."""

    def __init__(
        self, keys: KeyStore, workspaces: WorkspaceStore, plans: Plans, pepper: bytes
    ) -> None:
        self._keys = keys
        self._workspaces = workspaces
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
        leave the workspace.
        """
        await self._check_access(workspace_id)
        made = new_api_key()
        key = ApiKey(
            _id=made.key_id,
            workspace=workspace_id,
            name=name,
            token_hash=hash_token(made.token, self._pepper),
            prefix=made.prefix,
            last_four=made.last_four,
            scopes=list(scopes),
            created_at=clock.now(),
            expires_at=expires_at,
            created_by=created_by,
        )
        await self._keys.create(key, actor=actor)
        return CreatedKey(key, made.token)

    async def rotate(
        self, workspace_id: str, key_id: str, *, person: str, overlap: timedelta, actor: Actor
    ) -> CreatedKey:
        """A new secret under the same id for a person's own key; the old one lives for `overlap`.

        Raises `KeyNotFound`, `KeyNotRotatable`, `RoleNotPermitted`, `WorkspaceNotFound` or
        `ApiAccessLocked`.
        """
        await self._check_access(workspace_id)
        made = new_token_of(key_id)
        at = clock.now()
        key = await self._keys.rotate(
            workspace_id,
            key_id,
            NewSecret(hash_token(made.token, self._pepper), made.last_four),
            person=person,
            overlap_until=at + overlap,
            actor=actor,
            at=at,
        )
        return CreatedKey(key, made.token)

    async def _check_access(self, workspace_id: str) -> None:
        workspace = await self._workspaces.get(workspace_id)
        if workspace is None:
            raise WorkspaceNotFound(f"There is no workspace '{workspace_id}'.")
        plan = self._plans.get(workspace.plan)
        if plan is None or not plan.api_access:
            raise ApiAccessLocked(
                f"The plan '{workspace.plan}' has no API access; keys cannot be created."
            )
