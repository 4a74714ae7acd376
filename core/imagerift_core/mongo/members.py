"""Members: who belongs to a workspace, and with which role."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict
from pymongo.errors import DuplicateKeyError

from imagerift_core.errors import AlreadyMember, LastOwner, MemberNotFound
from imagerift_core.mongo.account_log import Actor, LogEntry, Logged, logged
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.roles import Role, is_lower
from imagerift_core.stored import KEPT, all_readable, read


class Member(BaseModel):
    """A person's membership of a workspace; `invited_by` let them in, unless nobody had to."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    workspace: str
    person: str
    role: Annotated[Role, KEPT]
    added_at: datetime
    invited_by: str | None = None


class MemberStore(Store):
    """Members of every workspace."""

    async def get(self, workspace: str, person: str) -> Member | None:
        document = await self._database.members.find_one({"_id": member_id(workspace, person)})
        return read(Member, document) if document else None

    async def all_of(self, workspace: str) -> list[Member]:
        cursor = self._database.members.find({"workspace": workspace}).sort(
            [("added_at", 1), ("_id", 1)]
        )
        return await all_readable(Member, cursor)

    async def of_person(self, person: str) -> list[Member]:
        cursor = self._database.members.find({"person": person}).sort([("added_at", 1), ("_id", 1)])
        return await all_readable(Member, cursor)

    async def add(
        self, workspace: str, person: str, role: Role, *, actor: Actor, at: datetime
    ) -> None:
        """Raises `AlreadyMember`."""

        async def body(session: Session) -> Logged[None]:
            member = Member(workspace=workspace, person=person, role=role, added_at=at)
            await insert_member(self._database, session, member)
            return None, LogEntry(
                workspace=workspace,
                actor=actor,
                action="member.added",
                at=at,
                target=person,
                details={"role": role},
            )

        try:
            await logged(self._database, body)
        except DuplicateKeyError:
            raise AlreadyMember("This person is a member already.") from None

    async def change_role(
        self, workspace: str, person: str, role: Role, *, actor: Actor, at: datetime
    ) -> None:
        """A lower role ends the invitations that the person made; keys follow by themselves.

        Raises `MemberNotFound`, or `LastOwner` where no owner would be left.
        """

        async def body(session: Session) -> Logged[None]:
            before = await self._database.members.find_one_and_update(
                {"_id": member_id(workspace, person)}, {"$set": {"role": role}}, session=session
            )
            if before is None:
                raise MemberNotFound("There is no such member.")
            await self._require_owner(session, workspace)
            details = {"role": str(role)}
            if is_lower(role, before["role"]):
                ended = await self._end_invitations(session, workspace, person)
                details["invitationsEnded"] = str(ended)
            return None, LogEntry(
                workspace=workspace,
                actor=actor,
                action="member.role_changed",
                at=at,
                target=person,
                details=details,
            )

        await logged(self._database, body)

    async def remove(self, workspace: str, person: str, *, actor: Actor, at: datetime) -> int:
        """Removes the member, revokes their keys and ends their invitations; returns how many keys.

        Raises `MemberNotFound`, or `LastOwner` where no owner would be left.
        """

        async def body(session: Session) -> Logged[int]:
            gone = await self._database.members.delete_one(
                {"_id": member_id(workspace, person)}, session=session
            )
            if not gone.deleted_count:
                raise MemberNotFound("There is no such member.")
            await self._require_owner(session, workspace)
            revoked = await self._database.api_keys.update_many(
                {"workspace": workspace, "created_by": person, "revoked_at": None},
                {"$set": {"revoked_at": at}},
                session=session,
            )
            count = int(revoked.modified_count)
            ended = await self._end_invitations(session, workspace, person)
            return count, LogEntry(
                workspace=workspace,
                actor=actor,
                action="member.removed",
                at=at,
                target=person,
                details={"keysRevoked": str(count), "invitationsEnded": str(ended)},
            )

        return await logged(self._database, body)

    async def _end_invitations(self, session: Session, workspace: str, person: str) -> int:
        """How many there were."""
        ended = await self._database.invitations.delete_many(
            {"workspace": workspace, "invited_by": person}, session=session
        )
        return int(ended.deleted_count)

    async def _require_owner(self, session: Session, workspace: str) -> None:
        # The write makes two such transactions conflict: two owners cannot remove each other.
        await self._database.workspaces.update_one(
            {"_id": workspace}, {"$inc": {"member_changes": 1}}, session=session
        )
        left = await self._database.members.find_one(
            {"workspace": workspace, "role": "owner"}, session=session
        )
        if left is None:
            raise LastOwner("A workspace keeps at least one owner.")


def member_id(workspace: str, person: str) -> str:
    return f"{workspace}:{person}"


async def insert_member(database: Database, session: Session, member: Member) -> None:
    document = member.model_dump() | {"_id": member_id(member.workspace, member.person)}
    await database.members.insert_one(document, session=session)
