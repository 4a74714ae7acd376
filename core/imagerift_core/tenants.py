"""What may become of workspaces and their keys, whoever asks for it: the account page, the admin
REST API, or a resource of Kubernetes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from imagerift_core import clock
from imagerift_core.api_keys import ALL_SCOPES, Scope, hash_token, new_api_key, new_token_of
from imagerift_core.errors import ApiAccessLocked, InvalidRequest, WorkspaceNotFound
from imagerift_core.managed_by import ManagedBy
from imagerift_core.mongo.account_log import Actor
from imagerift_core.mongo.keys import ApiKey, KeyStore, NewSecret
from imagerift_core.mongo.workspaces import Workspace, WorkspaceStore
from imagerift_core.plans import Plan, Plans
from imagerift_core.sealing import Sealer


@dataclass(frozen=True)
class CreatedKey:
    """The stored key, and its token: shown once, kept nowhere."""

    key: ApiKey
    token: str


@dataclass(frozen=True)
class WorkspaceWish:
    """What a workspace is to be; what is None stays as it is."""

    name: str | None = None
    plan: str | None = None
    suspended: bool | None = None

    def differences(self, workspace: Workspace) -> dict[str, tuple[object, object]]:
        """What the workspace is otherwise, by field: (wished, present)."""
        present = {
            "name": workspace.name,
            "plan": workspace.plan,
            "suspended": workspace.suspended_at is not None,
        }
        return {
            field: (wished, present[field])
            for field, wished in vars(self).items()
            if wished is not None and wished != present[field]
        }


@dataclass(frozen=True)
class KeyOfResource:
    """A key that a resource is to have, and what seals its token until it is handed over."""

    key_id: str
    managed_by: ManagedBy
    sealer: Sealer


class WorkspaceRules:
    """How workspaces change."""

    def __init__(self, workspaces: WorkspaceStore, plans: Plans) -> None:
        self._workspaces = workspaces
        self._plans = plans

    def check_plan(self, plan: str) -> None:
        """Raises `InvalidRequest` for a plan that this installation does not offer."""
        if plan not in self._plans:
            offered = ", ".join(self._plans)
            raise InvalidRequest(f"plan must be one of: {offered}.", param="plan")

    async def get(self, workspace_id: str) -> Workspace:
        """Raises `WorkspaceNotFound`."""
        workspace = await self._workspaces.get(workspace_id)
        if workspace is None:
            raise WorkspaceNotFound(f"There is no workspace '{workspace_id}'.")
        return workspace

    async def change(self, workspace_id: str, wish: WorkspaceWish, *, actor: Actor) -> Workspace:
        """The workspace as wished; what it is already is neither written nor logged.

        Raises `InvalidRequest` or `WorkspaceNotFound`.
        """
        differs = wish.differences(await self.get(workspace_id))
        if "plan" in differs:
            self.check_plan(wish.plan or "")
        if "name" in differs:
            await self._workspaces.rename(workspace_id, wish.name or "", actor=actor)
        if "plan" in differs:
            await self._workspaces.set_plan(workspace_id, wish.plan or "", actor=actor)
        if "suspended" in differs:
            move = self._workspaces.suspend if wish.suspended else self._workspaces.resume
            await move(workspace_id, actor=actor)
        return await self.get(workspace_id)


class KeyMaker:
    """The one way in which tokens come to be."""

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
        actor: Actor,
        scopes: Sequence[Scope] = ALL_SCOPES,
        expires_at: datetime | None = None,
        created_by: str | None = None,
        of: KeyOfResource | None = None,
    ) -> CreatedKey:
        """A key whose token the caller is to show at once.

        One with `created_by` can do no more than that person's role, and is revoked when they
        leave the workspace. One `of` a resource's keeps its token, sealed. Without `expires_at`
        the plan's `key_days` decide. Raises `InvalidRequest`, `WorkspaceNotFound`, or
        `ApiAccessLocked` where the plan has no API access.
        """
        at = clock.now()
        expires_at = await self._end_of(workspace_id, expires_at, at)
        made = new_token_of(of.key_id) if of else new_api_key()
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
            managed_by=of.managed_by if of else None,
            sealed_token=of.sealer.seal(made.token, context=made.key_id) if of else None,
        )
        await self._keys.create(key, actor=actor)
        return CreatedKey(key, made.token)

    async def rotate(
        self, workspace_id: str, key_id: str, *, person: str, overlap: timedelta, actor: Actor
    ) -> CreatedKey:
        """A new secret under the same id for a key of `person`'s; the old one lives for `overlap`.

        Raises `KeyNotFound`, `KeyNotRotatable`, `RoleNotPermitted`, `WorkspaceNotFound` or
        `ApiAccessLocked`.
        """
        await self._plan_with_access(workspace_id)
        made, at = new_token_of(key_id), clock.now()
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

    async def _plan_with_access(self, workspace_id: str) -> Plan:
        """The workspace's plan. Raises `WorkspaceNotFound` or `ApiAccessLocked`."""
        workspace = await self._workspaces.get(workspace_id)
        if workspace is None:
            raise WorkspaceNotFound(f"There is no workspace '{workspace_id}'.")
        plan = self._plans.get(workspace.plan)
        if plan is None or not plan.api_access:
            raise ApiAccessLocked(
                f"The plan '{workspace.plan}' has no API access; keys cannot be created."
            )
        return plan

    async def _end_of(
        self, workspace_id: str, expires_at: datetime | None, at: datetime
    ) -> datetime | None:
        """When a key made at `at` expires: as asked, or as the workspace's plan has it."""
        plan = await self._plan_with_access(workspace_id)
        if expires_at is not None:
            if expires_at <= at:
                raise InvalidRequest("expiresAt must be in the future.", param="expiresAt")
            return expires_at
        return at + timedelta(days=plan.key_days) if plan.key_days is not None else None
