"""Members of a workspace: invitations, roles, removals, under the rules of roles."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from imagerift_core import clock
from imagerift_core.errors import MemberNotFound, RoleNotPermitted
from imagerift_core.ids import new_invitation_id
from imagerift_core.mongo import people
from imagerift_core.mongo.database import Database, translated_errors
from imagerift_core.mongo.people import Invitation, Member, Person
from imagerift_core.roles import Role, may_give_or_take

from imagerift_api.sign_in.sessions import SignedIn

_NOT_PERMITTED = "Owners are made and removed by owners alone."


@dataclass(frozen=True)
class MemberView:
    member: Member
    person: Person | None


@dataclass(frozen=True)
class CreatedInvitation:
    """An invitation, and its token: shown once, kept nowhere."""

    invitation: Invitation
    token: str


class Members:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, workspace: str) -> list[MemberView]:
        async with translated_errors():
            members = await people.members_of(self._database, workspace)
            known = await people.get_people(self._database, [m.person for m in members])
        return [MemberView(member, known.get(member.person)) for member in members]

    async def invitations(self, workspace: str) -> list[Invitation]:
        async with translated_errors():
            return await people.invitations_of(self._database, workspace, at=clock.now())

    async def invite(self, by: SignedIn, role: Role) -> CreatedInvitation:
        """Raises `RoleNotPermitted`."""
        by.require("members:manage")
        _check(by, role)
        token, at = secrets.token_urlsafe(32), clock.now()
        invitation = Invitation(
            _id=new_invitation_id(),
            workspace=by.workspace.id,
            role=role,
            token_hash=people.invitation_hash(token),
            invited_by=by.person.id,
            created_at=at,
            expires_at=people.invitation_end(at),
        )
        async with translated_errors():
            await people.create_invitation(self._database, invitation, actor=by.actor)
        return CreatedInvitation(invitation, token)

    async def withdraw(self, by: SignedIn, invitation: str) -> None:
        """Raises `RoleNotPermitted` or `InvitationNotFound`."""
        by.require("members:manage")
        async with translated_errors():
            await people.revoke_invitation(
                self._database, by.workspace.id, invitation, actor=by.actor, at=clock.now()
            )

    async def accept(self, by: SignedIn, token: str) -> Member:
        """Raises `InvitationNotFound` or `AlreadyMember`."""
        async with translated_errors():
            return await people.accept_invitation(
                self._database, token, by.person.id, actor=by.actor, at=clock.now()
            )

    async def change_role(self, by: SignedIn, person: str, role: Role) -> None:
        """Raises `RoleNotPermitted`, `MemberNotFound` or `LastOwner`."""
        by.require("members:manage")
        member = await self._member(by, person)
        _check(by, member.role)
        _check(by, role)
        async with translated_errors():
            await people.change_role(
                self._database, by.workspace.id, person, role, actor=by.actor, at=clock.now()
            )

    async def remove(self, by: SignedIn, person: str) -> None:
        """Removes a member, and with them their keys; everybody may leave by themselves.

        Raises `RoleNotPermitted`, `MemberNotFound` or `LastOwner`.
        """
        if person != by.person.id:
            by.require("members:manage")
            _check(by, (await self._member(by, person)).role)
        async with translated_errors():
            await people.remove_member(
                self._database, by.workspace.id, person, actor=by.actor, at=clock.now()
            )

    async def _member(self, by: SignedIn, person: str) -> Member:
        async with translated_errors():
            member = await people.get_member(self._database, by.workspace.id, person)
        if member is None:
            raise MemberNotFound("There is no such member.")
        return member


def _check(by: SignedIn, role: Role) -> None:
    if not may_give_or_take(by.member.role, role):
        raise RoleNotPermitted(_NOT_PERMITTED)
