"""Invitations: ways into a workspace that work once."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pymongo.errors import DuplicateKeyError

from imagerift_core.errors import AlreadyMember, InvitationNotFound, RoleNotPermitted
from imagerift_core.mongo.account_log import Actor, LogEntry, Logged, logged
from imagerift_core.mongo.members import Member, insert_member, member_id
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.roles import Role, givers_of
from imagerift_core.stored import KEPT, all_readable, read

_DAYS = 7
_NO_INVITATION = "The invitation was used, was revoked or has expired."


class Invitation(BaseModel):
    """A way into a workspace that works once, while `invited_by` may give that role.

    Only the hash of its token is kept.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    workspace: str
    role: Annotated[Role, KEPT]
    token_hash: str
    invited_by: str
    created_at: datetime
    expires_at: datetime


def token_hash(token: str) -> str:
    """The token is random, so a plain hash keeps it."""
    return hashlib.sha256(token.encode()).hexdigest()


def end_of(created_at: datetime) -> datetime:
    return created_at + timedelta(days=_DAYS)


class InvitationStore(Store):
    """Invitations, made, revoked and used up."""

    async def create(self, invitation: Invitation, *, actor: Actor) -> None:
        """Raises `RoleNotPermitted` where whoever makes it may not, or may not any more."""

        async def body(session: Session) -> Logged[None]:
            if not await self._may_still_give(session, invitation):
                raise RoleNotPermitted("Your role does not permit this invitation.")
            await self._database.invitations.insert_one(
                invitation.model_dump(by_alias=True), session=session
            )
            return None, LogEntry(
                workspace=invitation.workspace,
                actor=actor,
                action="member.invited",
                at=invitation.created_at,
                target=invitation.id,
                details={"role": invitation.role},
            )

        await logged(self._database, body)

    async def all_of(self, workspace: str, *, at: datetime) -> list[Invitation]:
        """Those that can still be accepted."""
        query = {"workspace": workspace, "expires_at": {"$gt": at}}
        cursor = self._database.invitations.find(query).sort([("created_at", 1), ("_id", 1)])
        return await all_readable(Invitation, cursor)

    async def find(self, token: str, *, at: datetime) -> Invitation | None:
        """The invitation of that token, where it can still be accepted."""
        document = await self._database.invitations.find_one(
            {"token_hash": token_hash(token), "expires_at": {"$gt": at}}
        )
        return read(Invitation, document) if document else None

    async def revoke(self, workspace: str, invitation: str, *, actor: Actor, at: datetime) -> None:
        """Raises `InvitationNotFound`."""

        async def body(session: Session) -> Logged[None]:
            gone = await self._database.invitations.delete_one(
                {"_id": invitation, "workspace": workspace}, session=session
            )
            if not gone.deleted_count:
                raise InvitationNotFound("There is no such invitation.")
            return None, LogEntry(
                workspace=workspace,
                actor=actor,
                action="member.invitation_revoked",
                at=at,
                target=invitation,
            )

        await logged(self._database, body)

    async def accept(self, token: str, person: str, *, actor: Actor, at: datetime) -> Member:
        """Uses the invitation up. Raises `InvitationNotFound` or `AlreadyMember`."""

        async def body(session: Session) -> Logged[Member]:
            document = await self._database.invitations.find_one_and_delete(
                {"token_hash": token_hash(token), "expires_at": {"$gt": at}}, session=session
            )
            if document is None:
                raise InvitationNotFound(_NO_INVITATION)
            invitation = read(Invitation, document)
            if not await self._may_still_give(session, invitation):
                raise InvitationNotFound(_NO_INVITATION)
            member = Member(
                workspace=invitation.workspace,
                person=person,
                role=invitation.role,
                added_at=at,
                invited_by=invitation.invited_by,
            )
            await insert_member(self._database, session, member)
            return member, LogEntry(
                workspace=invitation.workspace,
                actor=actor,
                action="member.added",
                at=at,
                target=person,
                details={"role": invitation.role, "invitation": invitation.id},
            )

        try:
            return await logged(self._database, body)
        except DuplicateKeyError:
            raise AlreadyMember("You are a member of this workspace already.") from None

    async def _may_still_give(self, session: Session, invitation: Invitation) -> bool:
        """Whether whoever made the invitation is a member who may give that role."""
        # A write, so that a removal or another role at the same time conflicts with it.
        found = await self._database.members.update_one(
            {
                "_id": member_id(invitation.workspace, invitation.invited_by),
                "role": {"$in": givers_of(invitation.role)},
            },
            {"$inc": {"invitations": 1}},
            session=session,
        )
        return bool(found.matched_count)
