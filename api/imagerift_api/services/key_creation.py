"""API keys: made under the plan's lock, whoever asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imagerift_core import clock
from imagerift_core.api_keys import ALL_SCOPES, Scope, hash_token, new_api_key
from imagerift_core.errors import ApiAccessLocked, WorkspaceNotFound
from imagerift_core.mongo import accounts
from imagerift_core.mongo.database import Database
from imagerift_core.plans import Plans


@dataclass(frozen=True)
class CreatedKey:
    """The stored key, and its token: shown once, kept nowhere."""

    key: accounts.ApiKey
    token: str


class KeyCreation:
    """The one way in which keys come to be, for the admin command and the account page alike."""

    def __init__(self, database: Database, plans: Plans, pepper: bytes) -> None:
        self._database = database
        self._plans = plans
        self._pepper = pepper

    async def create(
        self, workspace_id: str, name: str, *, scopes: Sequence[Scope] = ALL_SCOPES
    ) -> CreatedKey:
        """Raises `WorkspaceNotFound`, or `ApiAccessLocked` where the plan has no API access."""
        workspace = await accounts.get_workspace(self._database, workspace_id)
        if workspace is None:
            raise WorkspaceNotFound(f"There is no workspace '{workspace_id}'.")
        plan = self._plans.get(workspace.plan)
        if plan is None or not plan.api_access:
            raise ApiAccessLocked(
                f"The plan '{workspace.plan}' has no API access; keys cannot be created."
            )
        made = new_api_key()
        key = accounts.ApiKey(
            _id=made.key_id,
            workspace=workspace_id,
            name=name,
            token_hash=hash_token(made.token, self._pepper),
            prefix=made.prefix,
            last_four=made.last_four,
            scopes=list(scopes),
            created_at=clock.now(),
        )
        await accounts.create_key(self._database, key)
        return CreatedKey(key, made.token)
