"""/api/v1/account: who is signed in, in which workspace, and what was done in it."""

from __future__ import annotations

from aiohttp import web
from imagerift_contract.values import ExportSize
from imagerift_core.api_keys import Scope, ordered_scopes
from imagerift_core.clock import rfc3339
from imagerift_core.errors import WorkspaceNotFound
from imagerift_core.mongo import account_log, accounts, people
from imagerift_core.mongo.account_log import LogEntry
from imagerift_core.roles import Role, may, scopes_of
from typing_extensions import TypedDict

from imagerift_api import app_keys
from imagerift_api.account_requests import LogQuery, WorkspaceChoice
from imagerift_api.body_reading import read_json
from imagerift_api.openapi.operations import Operation, Reply, add_operations
from imagerift_api.openapi.shapes import Time, closed
from imagerift_api.requests import parse_body, parse_query, refuse_query
from imagerift_api.routes.private_answers import no_content, private_answer
from imagerift_api.routes.signed_in import admit_signed_in
from imagerift_api.text_cursors import decode_text_cursor, encode_text_cursor


@closed
class PersonObject(TypedDict):
    """Who is signed in. Name and e-mail are as the issuer told them."""

    personId: str
    name: str
    email: str | None


@closed
class PlanObject(TypedDict):
    """What the workspace's plan permits."""

    name: str
    apiAccess: bool
    requestsPerMinute: int
    unitsPerMonth: int
    maxExport: ExportSize
    retentionDays: int


@closed
class WorkspaceObject(TypedDict):
    """A workspace that the person is a member of."""

    workspaceId: str
    name: str
    plan: str
    role: Role


@closed
class PermissionsObject(TypedDict):
    """What the person's role permits in the workspace; `keyScopes` are those for keys."""

    manageKeys: bool
    manageMembers: bool
    manageWebhooks: bool
    readLog: bool
    keyScopes: list[Scope]


@closed
class AccountObject(TypedDict):
    """The account, as of this request. `csrfToken` goes into `X-CSRF-Token` of changes."""

    person: PersonObject
    workspace: WorkspaceObject
    plan: PlanObject | None
    permissions: PermissionsObject
    workspaces: list[WorkspaceObject]
    csrfToken: str
    sessionExpiresAt: Time


@closed
class LogActor(TypedDict):
    """Who acted, and from which network address."""

    kind: account_log.ActorKind
    id: str
    name: str
    address: str | None


@closed
class LogEntryObject(TypedDict):
    """One action."""

    id: str
    at: Time
    actor: LogActor
    action: account_log.Action
    target: str | None
    details: dict[str, str]


@closed
class LogPage(TypedDict):
    """A page of the log, newest first."""

    data: list[LogEntryObject]
    nextCursor: str | None


async def get_account(request: web.Request) -> web.Response:
    signed_in = await admit_signed_in(request)
    refuse_query(request.query)
    context = request.app[app_keys.CONTEXT]
    memberships = await people.memberships_of(context.database, signed_in.person.id)
    known = await accounts.get_workspaces(context.database, [m.workspace for m in memberships])
    role, plan = signed_in.member.role, signed_in.plan
    answer: AccountObject = {
        "person": {
            "personId": signed_in.person.id,
            "name": signed_in.person.name,
            "email": signed_in.person.email,
        },
        "workspace": _workspace(signed_in.workspace, role),
        "plan": None
        if plan is None
        else {
            "name": signed_in.workspace.plan,
            "apiAccess": plan.api_access,
            "requestsPerMinute": plan.requests_per_minute,
            "unitsPerMonth": plan.units_per_month,
            "maxExport": plan.max_export,
            "retentionDays": plan.retention_days,
        },
        "permissions": {
            "manageKeys": may(role, "keys:any"),
            "manageMembers": may(role, "members:manage"),
            "manageWebhooks": may(role, "webhooks:manage"),
            "readLog": may(role, "log:read"),
            "keyScopes": ordered_scopes(scopes_of(role)),
        },
        "workspaces": [
            _workspace(known[m.workspace], m.role) for m in memberships if m.workspace in known
        ],
        "csrfToken": context.sessions.tokens.csrf_token(signed_in.claims.session),
        "sessionExpiresAt": rfc3339(signed_in.claims.expires_at),
    }
    return private_answer(answer)


async def choose_workspace(request: web.Request) -> web.Response:
    signed_in = await admit_signed_in(request)
    refuse_query(request.query)
    context = request.app[app_keys.CONTEXT]
    body = parse_body(WorkspaceChoice, await read_json(request))
    member = await people.get_member(context.database, body.workspace_id, signed_in.person.id)
    if member is None:
        raise WorkspaceNotFound("There is no such workspace.", param="workspaceId")
    response = no_content()
    await context.sessions.end(response, signed_in.claims)
    context.sessions.open(response, signed_in.person.id, member.workspace)
    return response


async def read_log(request: web.Request) -> web.Response:
    signed_in = await admit_signed_in(request)
    signed_in.require("log:read")
    query = parse_query(LogQuery, request.query)
    entries = await account_log.page(
        request.app[app_keys.CONTEXT].database,
        signed_in.workspace.id,
        before=decode_text_cursor(query.cursor) if query.cursor else None,
        limit=query.limit + 1,
    )
    shown = entries[: query.limit]
    more = len(entries) > query.limit
    answer: LogPage = {
        "data": [_entry(entry) for entry in shown],
        "nextCursor": encode_text_cursor(shown[-1].at, shown[-1].id) if more else None,
    }
    return private_answer(answer)


def _workspace(workspace: accounts.Workspace, role: Role) -> WorkspaceObject:
    return {
        "workspaceId": workspace.id,
        "name": workspace.name,
        "plan": workspace.plan,
        "role": role,
    }


def _entry(entry: LogEntry) -> LogEntryObject:
    return {
        "id": entry.id,
        "at": rfc3339(entry.at),
        "actor": {
            "kind": entry.actor.kind,
            "id": entry.actor.id,
            "name": entry.actor.name,
            "address": entry.actor.address,
        },
        "action": entry.action,
        "target": entry.target,
        "details": entry.details,
    }


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/account",
        handler=get_account,
        name="getAccount",
        tag="Account",
        summary="Who is signed in, and what they may do",
        access="session",
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
        body=WorkspaceChoice,
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
        query=LogQuery,
        replies={200: Reply("A page of the log.", LogPage)},
        errors=("role_not_permitted",),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
