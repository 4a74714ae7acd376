"""What administrators do to the workspaces, keys, webhooks and people of the whole installation."""

from __future__ import annotations

from aiohttp import web
from imagerift_core import clock
from imagerift_core.api_keys import ALL_SCOPES
from imagerift_core.errors import MemberNotFound
from imagerift_core.ids import new_workspace_id
from imagerift_core.mongo import Stores
from imagerift_core.mongo.account_log import Actor
from imagerift_core.mongo.keys import ApiKey
from imagerift_core.mongo.people import Person
from imagerift_core.mongo.webhooks import Webhook
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.tenants import CreatedKey, KeyMaker, WorkspaceRules, WorkspaceWish
from imagerift_core.webhook_maker import CreatedWebhook, WebhookMaker

from imagerift_api.administration.schemas import (
    AdminKeyBody,
    NewMemberBody,
    NewWorkspaceBody,
    PageQuery,
    WorkspaceBody,
)
from imagerift_api.http.cursors import decode_id_cursor, encode_id_cursor
from imagerift_api.webhooks.schemas import WebhookBody


class Administration:
    """Each change is logged under `actor`, in the log of the workspaces that it concerns."""

    def __init__(
        self, stores: Stores, rules: WorkspaceRules, maker: KeyMaker, webhooks: WebhookMaker
    ) -> None:
        self._stores = stores
        self._rules = rules
        self._maker = maker
        self._webhooks = webhooks

    async def workspaces(self, query: PageQuery) -> tuple[list[Workspace], str | None]:
        """A page, and the cursor of the next one. Raises `InvalidRequest`."""
        after = decode_id_cursor(query.cursor)
        page = await self._stores.workspaces.page(after=after, limit=query.limit)
        return page.found, encode_id_cursor(page.after)

    async def workspace(self, workspace_id: str) -> Workspace:
        """Raises `WorkspaceNotFound`."""
        return await self._rules.get(workspace_id)

    async def create_workspace(self, body: NewWorkspaceBody, *, actor: Actor) -> Workspace:
        """Raises `InvalidRequest` for a plan that is not offered."""
        self._rules.check_plan(body.plan)
        workspace = Workspace(
            _id=new_workspace_id(), name=body.name, plan=body.plan, created_at=clock.now()
        )
        await self._stores.workspaces.ensure(workspace, actor=actor)
        return workspace

    async def change_workspace(
        self, workspace_id: str, body: WorkspaceBody, *, actor: Actor
    ) -> Workspace:
        """Raises `InvalidRequest` or `WorkspaceNotFound`."""
        wish = WorkspaceWish(name=body.name, plan=body.plan, suspended=body.suspended)
        if body.released:
            await self._stores.workspaces.release(workspace_id)
        return await self._rules.change(workspace_id, wish, actor=actor)

    async def keys(self, workspace_id: str) -> list[ApiKey]:
        """Raises `WorkspaceNotFound`."""
        await self._rules.get(workspace_id)
        return await self._stores.keys.all_of(workspace_id)

    async def create_key(
        self, workspace_id: str, body: AdminKeyBody, *, actor: Actor
    ) -> CreatedKey:
        """Raises `InvalidRequest`, `WorkspaceNotFound` or `ApiAccessLocked`."""
        return await self._maker.create(
            workspace_id,
            body.name,
            scopes=list(dict.fromkeys(body.scopes or ALL_SCOPES)),
            expires_at=body.expires_at,
            actor=actor,
        )

    async def revoke_key(self, key_id: str, *, actor: Actor) -> ApiKey:
        """Raises `KeyNotFound`."""
        return await self._stores.keys.revoke(None, key_id, actor=actor, at=clock.now())

    async def webhooks(self, workspace_id: str) -> list[Webhook]:
        """Raises `WorkspaceNotFound`."""
        await self._rules.get(workspace_id)
        return await self._stores.webhooks.all_of(workspace_id)

    async def create_webhook(
        self, workspace_id: str, body: WebhookBody, *, actor: Actor
    ) -> CreatedWebhook:
        """Raises `InvalidRequest` or `WorkspaceNotFound`."""
        await self._rules.get(workspace_id)
        return await self._webhooks.create(workspace_id, body.url, body.events, actor=actor)

    async def delete_webhook(self, webhook_id: str, *, actor: Actor) -> None:
        """Raises `WebhookNotFound`."""
        await self._stores.webhooks.delete(None, webhook_id, actor=actor, at=clock.now())

    async def add_member(self, workspace_id: str, body: NewMemberBody, *, actor: Actor) -> Person:
        """Raises `WorkspaceNotFound` or `AlreadyMember`."""
        await self._rules.get(workspace_id)
        return await self._stores.people.add_to_workspace(
            workspace_id,
            issuer=body.issuer,
            subject=body.subject,
            role=body.role,
            actor=actor,
            at=clock.now(),
        )

    async def people(self, query: PageQuery) -> tuple[list[Person], str | None]:
        """A page, and the cursor of the next one. Raises `InvalidRequest`."""
        after = decode_id_cursor(query.cursor)
        page = await self._stores.people.page(after=after, limit=query.limit)
        return page.found, encode_id_cursor(page.after)

    async def set_person_suspended(
        self, person_id: str, suspended: bool, *, actor: Actor
    ) -> Person:
        """Raises `MemberNotFound`."""
        people = self._stores.people
        change = people.suspend if suspended else people.resume
        person = await change(person_id, actor=actor, at=clock.now())
        if person is None:
            raise MemberNotFound(f"There is no person '{person_id}'.")
        return person

    async def end_sessions(self, person_id: str) -> int:
        """How many the person had. Raises `MemberNotFound`."""
        if await self._stores.people.get(person_id) is None:
            raise MemberNotFound(f"There is no person '{person_id}'.")
        return await self._stores.sessions.end_all(person_id)


ADMINISTRATION = web.AppKey("administration", Administration)
