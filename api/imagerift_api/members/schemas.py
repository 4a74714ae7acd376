"""What clients may send about members and invitations, and what they are answered."""

from __future__ import annotations

from typing import Annotated, Self

from imagerift_core.mongo.invitations import Invitation
from imagerift_core.mongo.members import Member
from imagerift_core.mongo.people import Person
from imagerift_core.roles import Role
from imagerift_core.stored import SHOWN
from pydantic import BaseModel, Field

from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.shapes import AnswerBody, Time


class InvitationBody(RequestBody):
    """The role that whoever accepts will have."""

    role: Role = "member"


class AcceptanceBody(RequestBody):
    """The token of an invitation."""

    token: str = Field(max_length=128)


class RoleBody(RequestBody):
    """A member's new role."""

    role: Role


class MemberPath(BaseModel):
    """The path of a member."""

    person_id: str = Field(alias="personId", description="The person's id, `usr_…`.")


class InvitationPath(BaseModel):
    """The path of an invitation."""

    invitation_id: str = Field(alias="invitationId", description="The invitation's id, `inv_…`.")


class InviterObject(AnswerBody):
    """Who invited; not always a member any more."""

    person_id: str
    name: str

    @classmethod
    def of(cls, person_id: str, person: Person | None) -> Self:
        return cls(person_id=person_id, name=person.name if person else "")


class MemberObject(AnswerBody):
    """A member of the workspace. `invitedBy` is null for whom nobody had to invite."""

    person_id: str
    name: str
    email: str | None
    role: Annotated[Role, SHOWN]
    added_at: Time
    invited_by: InviterObject | None

    @classmethod
    def of(cls, member: Member, person: Person | None, inviter: Person | None) -> Self:
        invited_by = member.invited_by
        return cls(
            person_id=member.person,
            name=person.name if person else "",
            email=person.email if person else None,
            role=member.role,
            added_at=member.added_at,
            invited_by=InviterObject.of(invited_by, inviter) if invited_by else None,
        )


class InvitationObject(AnswerBody):
    """An invitation that can still be accepted."""

    invitation_id: str
    role: Annotated[Role, SHOWN]
    created_at: Time
    expires_at: Time
    invited_by: InviterObject

    @classmethod
    def of(cls, invitation: Invitation, inviter: Person | None) -> Self:
        return cls(
            invitation_id=invitation.id,
            role=invitation.role,
            created_at=invitation.created_at,
            expires_at=invitation.expires_at,
            invited_by=InviterObject.of(invitation.invited_by, inviter),
        )


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
    role: Annotated[Role, SHOWN]
