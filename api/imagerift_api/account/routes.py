"""/api/v1/account: who is signed in, in which workspace, and what was done in it."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.api_keys import ordered_scopes
from imagerift_core.roles import may, scopes_of

from imagerift_api.account.schemas import (
    AccountObject,
    LogEntryObject,
    LogPage,
    LogQuery,
    PermissionsObject,
    PersonObject,
    PlanObject,
    SessionList,
    SessionObject,
    SessionPath,
    WorkspaceChoice,
    WorkspaceObject,
)
from imagerift_api.account.service import ACCOUNTS
from imagerift_api.auth.sessions import SESSIONS
from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation

_SESSIONS = "/api/v1/account/sessions"


async def get_account(call: Call) -> AccountObject:
    signed_in = call.signed_in
    person, role, plan = signed_in.person, signed_in.member.role, signed_in.plan
    memberships = await call.app[ACCOUNTS].memberships(person.id)
    return AccountObject(
        person=PersonObject(person_id=person.id, name=person.name, email=person.email),
        workspace=WorkspaceObject.of(signed_in.workspace, role),
        plan=PlanObject.of(signed_in.workspace.plan, plan) if plan else None,
        permissions=PermissionsObject(
            manage_keys=may(role, "keys:any"),
            manage_members=may(role, "members:manage"),
            manage_webhooks=may(role, "webhooks:manage"),
            read_log=may(role, "log:read"),
            key_scopes=ordered_scopes(scopes_of(role)),
        ),
        workspaces=[WorkspaceObject.of(workspace, own) for workspace, own in memberships],
        csrf_token=call.app[SESSIONS].tokens.csrf_token(signed_in.claims.session),
        session_expires_at=signed_in.claims.expires_at,
    )


async def choose_workspace(call: Call, body: WorkspaceChoice) -> web.Response:
    sessions, signed_in = call.app[SESSIONS], call.signed_in
    await call.app[ACCOUNTS].require_member(signed_in.person.id, body.workspace_id)
    response = web.Response(status=204)
    await sessions.end(response, signed_in.claims)
    await sessions.open(
        call.request, response, person=signed_in.person.id, workspace=body.workspace_id
    )
    return response


async def list_sessions(call: Call) -> SessionList:
    signed_in = call.signed_in
    sessions = await call.app[SESSIONS].open_of(signed_in.person.id)
    return SessionList(
        data=[SessionObject.of(one, current=signed_in.claims.session) for one in sessions]
    )


async def end_session(call: Call, path: SessionPath) -> None:
    await call.app[ACCOUNTS].end_session(call.signed_in.person.id, path.session_id)


async def end_other_sessions(call: Call) -> None:
    signed_in = call.signed_in
    await call.app[ACCOUNTS].end_other_sessions(signed_in.person.id, but=signed_in.claims.session)


async def read_log(call: Call, query: LogQuery) -> LogPage:
    entries, next_cursor = await call.app[ACCOUNTS].log(
        call.signed_in.workspace.id, cursor=query.cursor, limit=query.limit
    )
    return LogPage(data=[LogEntryObject.of(entry) for entry in entries], next_cursor=next_cursor)


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
        errors=("workspace_not_found", "account_suspended"),
    ),
    Operation(
        method="GET",
        path=_SESSIONS,
        handler=list_sessions,
        name="listSessions",
        tag="Account",
        summary="List the sessions that one has open",
        access="session",
        private=True,
        replies={200: Reply("The sessions, the one that was used last first.", SessionList)},
    ),
    Operation(
        method="DELETE",
        path=_SESSIONS,
        handler=end_other_sessions,
        name="endOtherSessions",
        tag="Account",
        summary="Sign out everywhere else",
        access="session",
        private=True,
        replies={204: Reply("All sessions but this one are over, on every replica.")},
    ),
    Operation(
        method="DELETE",
        path=_SESSIONS + "/{session_id}",
        handler=end_session,
        name="endSession",
        tag="Account",
        summary="End one of one's sessions",
        access="session",
        private=True,
        replies={204: Reply("The session is over, on every replica.")},
        errors=("session_not_found",),
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
