"""/api/v1/account: who is signed in, in which workspace, and what was done in it."""

from __future__ import annotations

from aiohttp import web
from imagerift_contract.values import ExportSize
from imagerift_core.api_keys import Scope, ordered_scopes
from imagerift_core.errors import WorkspaceNotFound
from imagerift_core.mongo.account_log import Action, ActorKind, LogEntry
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.roles import Role, may, scopes_of

from imagerift_api.account.schemas import LogQuery, WorkspaceChoice
from imagerift_api.auth.sessions import SignedIn
from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation, add_operations
from imagerift_api.http.shapes import AnswerBody, Time
from imagerift_api.http.text_cursors import decode_text_cursor, encode_text_cursor


class PersonObject(AnswerBody):
    """Who is signed in. Name and e-mail are as the issuer told them."""

    person_id: str
    name: str
    email: str | None


class PlanObject(AnswerBody):
    """What the workspace's plan permits."""

    name: str
    api_access: bool
    requests_per_minute: int
    units_per_month: int
    max_export: ExportSize
    retention_days: int


class WorkspaceObject(AnswerBody):
    """A workspace that the person is a member of."""

    workspace_id: str
    name: str
    plan: str
    role: Role


class PermissionsObject(AnswerBody):
    """What the person's role permits in the workspace; `keyScopes` are those for keys."""

    manage_keys: bool
    manage_members: bool
    manage_webhooks: bool
    read_log: bool
    key_scopes: list[Scope]


class AccountObject(AnswerBody):
    """The account, as of this request. `csrfToken` goes into `X-CSRF-Token` of changes."""

    person: PersonObject
    workspace: WorkspaceObject
    plan: PlanObject | None
    permissions: PermissionsObject
    workspaces: list[WorkspaceObject]
    csrf_token: str
    session_expires_at: Time


class LogActor(AnswerBody):
    """Who acted, and from which network address."""

    kind: ActorKind
    id: str
    name: str
    address: str | None


class LogEntryObject(AnswerBody):
    """One action."""

    id: str
    at: Time
    actor: LogActor
    action: Action
    target: str | None
    details: dict[str, str]


class LogPage(AnswerBody):
    """A page of the log, newest first."""

    data: list[LogEntryObject]
    next_cursor: str | None


async def get_account(call: Call) -> AccountObject:
    context, signed_in = call.context, call.signed_in
    memberships = await context.stores.members.of_person(signed_in.person.id)
    known = await context.stores.workspaces.get_many([m.workspace for m in memberships])
    role = signed_in.member.role
    return AccountObject(
        person=PersonObject(
            person_id=signed_in.person.id,
            name=signed_in.person.name,
            email=signed_in.person.email,
        ),
        workspace=_workspace(signed_in.workspace, role),
        plan=_plan(signed_in),
        permissions=PermissionsObject(
            manage_keys=may(role, "keys:any"),
            manage_members=may(role, "members:manage"),
            manage_webhooks=may(role, "webhooks:manage"),
            read_log=may(role, "log:read"),
            key_scopes=ordered_scopes(scopes_of(role)),
        ),
        workspaces=[
            _workspace(known[m.workspace], m.role) for m in memberships if m.workspace in known
        ],
        csrf_token=context.sessions.tokens.csrf_token(signed_in.claims.session),
        session_expires_at=signed_in.claims.expires_at,
    )


async def choose_workspace(call: Call, body: WorkspaceChoice) -> web.Response:
    context, signed_in = call.context, call.signed_in
    member = await context.stores.members.get(body.workspace_id, signed_in.person.id)
    if member is None:
        raise WorkspaceNotFound("There is no such workspace.", param="workspaceId")
    response = web.Response(status=204)
    await context.sessions.end(response, signed_in.claims)
    context.sessions.open(response, signed_in.person.id, member.workspace)
    return response


async def read_log(call: Call, query: LogQuery) -> LogPage:
    entries = await call.context.stores.account_log.page(
        call.signed_in.workspace.id,
        before=decode_text_cursor(query.cursor) if query.cursor else None,
        limit=query.limit + 1,
    )
    shown = entries[: query.limit]
    more = len(entries) > query.limit
    return LogPage(
        data=[_entry(entry) for entry in shown],
        next_cursor=encode_text_cursor(shown[-1].at, shown[-1].id) if more else None,
    )


def _plan(signed_in: SignedIn) -> PlanObject | None:
    plan = signed_in.plan
    if plan is None:
        return None
    return PlanObject(
        name=signed_in.workspace.plan,
        api_access=plan.api_access,
        requests_per_minute=plan.requests_per_minute,
        units_per_month=plan.units_per_month,
        max_export=plan.max_export,
        retention_days=plan.retention_days,
    )


def _workspace(workspace: Workspace, role: Role) -> WorkspaceObject:
    return WorkspaceObject(
        workspace_id=workspace.id, name=workspace.name, plan=workspace.plan, role=role
    )


def _entry(entry: LogEntry) -> LogEntryObject:
    actor = entry.actor
    return LogEntryObject(
        id=entry.id,
        at=entry.at,
        actor=LogActor(kind=actor.kind, id=actor.id, name=actor.name, address=actor.address),
        action=entry.action,
        target=entry.target,
        details=entry.details,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/account",
        handler=get_account,
        name="getAccount",
        tag="Account",
        summary="Who is signed in, and what they may do",
        access="session",
        private=True,
        replies={200: Reply("The account.", AccountObject)},
    ),
    Operation(
        method="POST",
        path="/api/v1/account/workspace",
        handler=choose_workspace,
        name="chooseWorkspace",
        tag="Account",
        summary="Go on in another workspace",
        access="session",
        private=True,
        replies={204: Reply("The session goes on there, with a new token.")},
        errors=("workspace_not_found",),
    ),
    Operation(
        method="GET",
        path="/api/v1/account/log",
        handler=read_log,
        name="readAccountLog",
        tag="Account",
        summary="What was done in the workspace; for owners",
        access="session",
        permission="log:read",
        private=True,
        replies={200: Reply("A page of the log.", LogPage)},
        errors=("role_not_permitted",),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
