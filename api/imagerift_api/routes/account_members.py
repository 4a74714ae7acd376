"""/api/v1/account/members and /invitations."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.clock import rfc3339
from imagerift_core.mongo.people import Person
from imagerift_core.roles import Role
from typing_extensions import TypedDict

from imagerift_api.account_requests import (
    AcceptanceBody,
    InvitationBody,
    InvitationPath,
    MemberPath,
    RoleBody,
)
from imagerift_api.openapi.calls import Call
from imagerift_api.openapi.operations import Operation, Reply, add_operations
from imagerift_api.openapi.shapes import Time, closed
from imagerift_api.routes.private_answers import no_content, private_answer
from imagerift_api.services.members import InvitationView, MemberView

_PATH = "/api/v1/account/members"
_INVITATIONS = "/api/v1/account/invitations"


@closed
class InviterObject(TypedDict):
    """Who invited; not always a member any more."""

    personId: str
    name: str


@closed
class MemberObject(TypedDict):
    """A member of the workspace. `invitedBy` is null for whom nobody had to invite."""

    personId: str
    name: str
    email: str | None
    role: Role
    addedAt: Time
    invitedBy: InviterObject | None


@closed
class InvitationObject(TypedDict):
    """An invitation that can still be accepted."""

    invitationId: str
    role: Role
    createdAt: Time
    expiresAt: Time
    invitedBy: InviterObject


@closed
class MemberList(TypedDict):
    """The members, and the invitations under way."""

    data: list[MemberObject]
    invitations: list[InvitationObject]


@closed
class NewInvitationObject(TypedDict):
    """An invitation with its address, which works once and is shown this once."""

    invitation: InvitationObject
    url: str


@closed
class AcceptedObject(TypedDict):
    """The workspace that was entered."""

    workspaceId: str
    role: Role


async def list_members(call: Call) -> web.Response:
    members, workspace = call.context.members, call.signed_in.workspace.id
    answer: MemberList = {
        "data": [_member(view) for view in await members.all(workspace)],
        "invitations": [_invitation(i) for i in await members.invitations(workspace)],
    }
    return private_answer(answer)


async def invite(call: Call, body: InvitationBody) -> web.Response:
    created = await call.context.members.invite(call.signed_in, body.role)
    # In the fragment, which browsers do not send: it is in no log on the way.
    url = f"{call.context.sessions.origin_of(call.request)}/account#invitation={created.token}"
    answer: NewInvitationObject = {"invitation": _invitation(created.view), "url": url}
    return private_answer(answer, status=201)


async def accept(call: Call, body: AcceptanceBody) -> web.Response:
    member = await call.context.members.accept(call.signed_in, body.token)
    answer: AcceptedObject = {"workspaceId": member.workspace, "role": member.role}
    return private_answer(answer)


async def withdraw(call: Call, path: InvitationPath) -> web.Response:
    await call.context.members.withdraw(call.signed_in, path.invitation_id)
    return no_content()


async def change_role(call: Call, path: MemberPath, body: RoleBody) -> web.Response:
    await call.context.members.change_role(call.signed_in, path.person_id, body.role)
    return no_content()


async def remove(call: Call, path: MemberPath) -> web.Response:
    await call.context.members.remove(call.signed_in, path.person_id)
    return no_content()


def _member(view: MemberView) -> MemberObject:
    return {
        "personId": view.member.person,
        "name": view.person.name if view.person else "",
        "email": view.person.email if view.person else None,
        "role": view.member.role,
        "addedAt": rfc3339(view.member.added_at),
        "invitedBy": _inviter(view.member.invited_by, view.inviter)
        if view.member.invited_by
        else None,
    }


def _inviter(person_id: str, person: Person | None) -> InviterObject:
    return {"personId": person_id, "name": person.name if person else ""}


def _invitation(view: InvitationView) -> InvitationObject:
    invitation = view.invitation
    return {
        "invitationId": invitation.id,
        "role": invitation.role,
        "createdAt": rfc3339(invitation.created_at),
        "expiresAt": rfc3339(invitation.expires_at),
        "invitedBy": _inviter(invitation.invited_by, view.inviter),
    }


OPERATIONS = (
    Operation(
        method="GET",
        path=_PATH,
        handler=list_members,
        name="listMembers",
        tag="Account",
        summary="List members and invitations",
        access="session",
        replies={200: Reply("The members.", MemberList)},
    ),
    Operation(
        method="PATCH",
        path=_PATH + "/{person_id}",
        handler=change_role,
        name="changeRole",
        tag="Account",
        summary="Change a member's role",
        access="session",
        replies={204: Reply("Changed.")},
        errors=("member_not_found", "role_not_permitted", "last_owner"),
    ),
    Operation(
        method="DELETE",
        path=_PATH + "/{person_id}",
        handler=remove,
        name="removeMember",
        tag="Account",
        summary="Remove a member with the keys and invitations they made, or leave",
        access="session",
        replies={204: Reply("Removed.")},
        errors=("member_not_found", "role_not_permitted", "last_owner"),
    ),
    Operation(
        method="POST",
        path=_INVITATIONS,
        handler=invite,
        name="invite",
        tag="Account",
        summary="Make an invitation",
        access="session",
        replies={201: Reply("The invitation and its address.", NewInvitationObject)},
        errors=("role_not_permitted",),
    ),
    Operation(
        method="POST",
        path=_INVITATIONS + "/accept",
        handler=accept,
        name="acceptInvitation",
        tag="Account",
        summary="Accept an invitation",
        access="session",
        replies={200: Reply("The workspace that was entered.", AcceptedObject)},
        errors=("invitation_not_found", "already_member"),
    ),
    Operation(
        method="DELETE",
        path=_INVITATIONS + "/{invitation_id:(?!accept$)[^/]+}",
        handler=withdraw,
        name="withdrawInvitation",
        tag="Account",
        summary="Withdraw an invitation",
        access="session",
        replies={204: Reply("Withdrawn.")},
        errors=("invitation_not_found", "role_not_permitted"),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
