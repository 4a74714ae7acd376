"""Members of a workspace: invitations, roles, removals, under the rules of roles."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from imagerift_core import clock
from imagerift_core.errors import MemberNotFound, RoleNotPermitted
from imagerift_core.ids import new_invitation_id
from imagerift_core.mongo.invitations import Invitation, InvitationStore, end_of, token_hash
from imagerift_core.mongo.members import Member, MemberStore
from imagerift_core.mongo.people import Person, PersonStore
from imagerift_core.roles import Role, may_give_or_take

from imagerift_api.auth.sessions import SignedIn

_NOT_PERMITTED = "Owners are made and removed by owners alone."


@dataclass(frozen=True)
class MemberView:
    """A member with what is known of them and of whoever invited them."""

    member: Member
    person: Person | None
    inviter: Person | None


@dataclass(frozen=True)
class InvitationView:
    invitation: Invitation
    inviter: Person | None


@dataclass(frozen=True)
class CreatedInvitation:
    """An invitation, and its token: shown once, kept nowhere."""

    view: InvitationView
    token: str


class Members:
    def __init__(
        self, members: MemberStore, people: PersonStore, invitations: InvitationStore
    ) -> None:
        self._members = members
        self._people = people
        self._invitations = invitations

    async def all(self, workspace: str) -> list[MemberView]:
        members = await self._members.all_of(workspace)
        named = {m.person for m in members} | {m.invited_by for m in members if m.invited_by}
        known = await self._people.get_many(sorted(named))
        return [
            MemberView(member, known.get(member.person), known.get(member.invited_by or ""))
            for member in members
        ]

    async def invitations(self, workspace: str) -> list[InvitationView]:
        found = await self._invitations.all_of(workspace, at=clock.now())
        known = await self._people.get_many(sorted({i.invited_by for i in found}))
        return [InvitationView(one, known.get(one.invited_by)) for one in found]

    async def invite(self, by: SignedIn, role: Role) -> CreatedInvitation:
        """Raises `RoleNotPermitted`."""
        by.require("members:manage")
        _check(by, role)
        token, at = secrets.token_urlsafe(32), clock.now()
        invitation = Invitation(
            _id=new_invitation_id(),
            workspace=by.workspace.id,
            role=role,
            token_hash=token_hash(token),
            invited_by=by.person.id,
            created_at=at,
            expires_at=end_of(at),
        )
        await self._invitations.create(invitation, actor=by.actor)
        return CreatedInvitation(InvitationView(invitation, by.person), token)

    async def withdraw(self, by: SignedIn, invitation: str) -> None:
        """Raises `RoleNotPermitted` or `InvitationNotFound`."""
        by.require("members:manage")
        await self._invitations.revoke(by.workspace.id, invitation, actor=by.actor, at=clock.now())

    async def accept(self, by: SignedIn, token: str) -> Member:
        """Raises `InvitationNotFound` or `AlreadyMember`."""
        return await self._invitations.accept(token, by.person.id, actor=by.actor, at=clock.now())

    async def change_role(self, by: SignedIn, person: str, role: Role) -> None:
        """Raises `RoleNotPermitted`, `MemberNotFound` or `LastOwner`."""
        by.require("members:manage")
        member = await self._member(by, person)
        _check(by, member.role)
        _check(by, role)
        await self._members.change_role(
            by.workspace.id, person, role, actor=by.actor, at=clock.now()
        )

    async def remove(self, by: SignedIn, person: str) -> None:
        """Removes a member, their keys and their invitations; everybody may leave by themselves.

        Raises `RoleNotPermitted`, `MemberNotFound` or `LastOwner`.
        """
        if person != by.person.id:
            by.require("members:manage")
            _check(by, (await self._member(by, person)).role)
        await self._members.remove(by.workspace.id, person, actor=by.actor, at=clock.now())

    async def _member(self, by: SignedIn, person: str) -> Member:
        member = await self._members.get(by.workspace.id, person)
        if member is None:
            raise MemberNotFound("There is no such member.")
        return member


def _check(by: SignedIn, role: Role) -> None:
    if not may_give_or_take(by.member.role, role):
        raise RoleNotPermitted(_NOT_PERMITTED)
