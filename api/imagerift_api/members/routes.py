"""/api/v1/account/members and /invitations."""

from __future__ import annotations

from imagerift_api.auth.sessions import SESSIONS
from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation
from imagerift_api.members.schemas import (
    AcceptanceBody,
    AcceptedObject,
    InvitationBody,
    InvitationPath,
    MemberList,
    MemberPath,
    NewInvitationObject,
    RoleBody,
)
from imagerift_api.members.service import MEMBERS

_PATH = "/api/v1/account/members"
_INVITATIONS = "/api/v1/account/invitations"


async def list_members(call: Call) -> MemberList:
    return await call.app[MEMBERS].all_of(call.signed_in.workspace.id)


async def invite(call: Call, body: InvitationBody) -> NewInvitationObject:
    created = await call.app[MEMBERS].invite(call.signed_in, body.role)
    # In the fragment, which browsers do not send: it is in no log on the way.
    url = f"{call.app[SESSIONS].origin_of(call.request)}/account#invitation={created.token}"
    return NewInvitationObject(invitation=created.invitation, url=url)


async def accept(call: Call, body: AcceptanceBody) -> AcceptedObject:
    member = await call.app[MEMBERS].accept(call.signed_in, body.token)
    return AcceptedObject(workspace_id=member.workspace, role=member.role)


async def withdraw(call: Call, path: InvitationPath) -> None:
    await call.app[MEMBERS].withdraw(call.signed_in, path.invitation_id)


async def change_role(call: Call, path: MemberPath, body: RoleBody) -> None:
    await call.app[MEMBERS].change_role(call.signed_in, path.person_id, body.role)


async def remove(call: Call, path: MemberPath) -> None:
    await call.app[MEMBERS].remove(call.signed_in, path.person_id)


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
