"""/api/v1/account/members and /invitations."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.mongo.people import Person
from imagerift_core.roles import Role

from imagerift_api.account.schemas import (
    AcceptanceBody,
    InvitationBody,
    InvitationPath,
    MemberPath,
    RoleBody,
)
from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation, add_operations
from imagerift_api.http.shapes import AnswerBody, Time
from imagerift_api.members.service import InvitationView, MemberView

_PATH = "/api/v1/account/members"
_INVITATIONS = "/api/v1/account/invitations"


class InviterObject(AnswerBody):
    """Who invited; not always a member any more."""

    person_id: str
    name: str


class MemberObject(AnswerBody):
    """A member of the workspace. `invitedBy` is null for whom nobody had to invite."""

    person_id: str
    name: str
    email: str | None
    role: Role
    added_at: Time
    invited_by: InviterObject | None


class InvitationObject(AnswerBody):
    """An invitation that can still be accepted."""

    invitation_id: str
    role: Role
    created_at: Time
    expires_at: Time
    invited_by: InviterObject


class MemberList(AnswerBody):
    """The members, and the invitations under way."""

    data: list[MemberObject]
    invitations: list[InvitationObject]


class NewInvitationObject(AnswerBody):
    """An invitation with its address, which works once and is shown this once."""

    invitation: InvitationObject
    url: str


class AcceptedObject(AnswerBody):
    """The workspace that was entered."""

    workspace_id: str
    role: Role


async def list_members(call: Call) -> MemberList:
    members, workspace = call.context.members, call.signed_in.workspace.id
    return MemberList(
        data=[_member(view) for view in await members.all(workspace)],
        invitations=[_invitation(view) for view in await members.invitations(workspace)],
    )


async def invite(call: Call, body: InvitationBody) -> NewInvitationObject:
    created = await call.context.members.invite(call.signed_in, body.role)
    # In the fragment, which browsers do not send: it is in no log on the way.
    url = f"{call.context.sessions.origin_of(call.request)}/account#invitation={created.token}"
    return NewInvitationObject(invitation=_invitation(created.view), url=url)


async def accept(call: Call, body: AcceptanceBody) -> AcceptedObject:
    member = await call.context.members.accept(call.signed_in, body.token)
    return AcceptedObject(workspace_id=member.workspace, role=member.role)


async def withdraw(call: Call, path: InvitationPath) -> None:
    await call.context.members.withdraw(call.signed_in, path.invitation_id)


async def change_role(call: Call, path: MemberPath, body: RoleBody) -> None:
    await call.context.members.change_role(call.signed_in, path.person_id, body.role)


async def remove(call: Call, path: MemberPath) -> None:
    await call.context.members.remove(call.signed_in, path.person_id)


def _member(view: MemberView) -> MemberObject:
    member, person = view.member, view.person
    return MemberObject(
        person_id=member.person,
        name=person.name if person else "",
        email=person.email if person else None,
        role=member.role,
        added_at=member.added_at,
        invited_by=_inviter(member.invited_by, view.inviter) if member.invited_by else None,
    )


def _inviter(person_id: str, person: Person | None) -> InviterObject:
    return InviterObject(person_id=person_id, name=person.name if person else "")


def _invitation(view: InvitationView) -> InvitationObject:
    invitation = view.invitation
    return InvitationObject(
        invitation_id=invitation.id,
        role=invitation.role,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
        invited_by=_inviter(invitation.invited_by, view.inviter),
    )


OPERATIONS = (
    Operation(
        method="GET",
        path=_PATH,
        handler=list_members,
        name="listMembers",
        tag="Account",
        summary="List members and invitations",
        access="session",
        private=True,
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
        private=True,
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
        private=True,
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
        private=True,
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
        private=True,
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
        private=True,
        replies={204: Reply("Withdrawn.")},
        errors=("invitation_not_found", "role_not_permitted"),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
