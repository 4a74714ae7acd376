"""People who sign in, and the workspaces they are members of."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from pymongo.errors import DuplicateKeyError

from imagerift_core.errors import AlreadyMember, LastOwner, MemberNotFound
from imagerift_core.ids import new_person_id, new_workspace_id
from imagerift_core.mongo.account_log import Actor, LogEntry, Logged, logged
from imagerift_core.mongo.accounts import Workspace
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import translated
from imagerift_core.mongo.transactions import Session
from imagerift_core.roles import Role, is_lower


class Person(BaseModel):
    """Somebody who signed in. `issuer` and `subject` are the identity; the rest is for show.

    `home` is the workspace that sessions begin in, and `rehomed_at` when it last had to be made
    anew because the person was a member of none.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    issuer: str
    subject: str
    name: str
    email: str | None = None
    created_at: datetime
    home: str
    rehomed_at: datetime | None = None


class Member(BaseModel):
    """A person's place in a workspace; `invited_by` let them in, unless nobody had to."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    workspace: str
    person: str
    role: Role
    added_at: datetime
    invited_by: str | None = None


@translated
async def find_person(database: Database, issuer: str, subject: str) -> Person | None:
    document = await database.people.find_one({"issuer": issuer, "subject": subject})
    return Person.model_validate(document) if document else None


@translated
async def get_person(database: Database, person_id: str) -> Person | None:
    document = await database.people.find_one({"_id": person_id})
    return Person.model_validate(document) if document else None


@translated
async def get_people(database: Database, ids: list[str]) -> dict[str, Person]:
    cursor = database.people.find({"_id": {"$in": ids}})
    return {document["_id"]: Person.model_validate(document) async for document in cursor}


@translated
async def ensure_person(
    database: Database,
    *,
    issuer: str,
    subject: str,
    name: str,
    email: str | None,
    plan: str,
    address: str | None,
    at: datetime,
) -> Person:
    """The person of (issuer, subject); the first time with a workspace of their own on `plan`.

    Name and e-mail follow what the issuer last said. They never identify anybody.
    """
    found = await _refresh(database, issuer, subject, name, email)
    if found is not None:
        return found
    person = Person(
        _id=new_person_id(),
        issuer=issuer,
        subject=subject,
        name=name,
        email=email,
        created_at=at,
        home=new_workspace_id(),
    )
    workspace = Workspace(_id=person.home, name=name, plan=plan, created_at=at)
    actor = Actor(kind="person", id=person.id, name=name, address=address)

    async def body(session: Session) -> Logged[None]:
        await database.people.insert_one(person.model_dump(by_alias=True), session=session)
        await database.workspaces.insert_one(workspace.model_dump(by_alias=True), session=session)
        owner = Member(workspace=person.home, person=person.id, role="owner", added_at=at)
        await insert_member(database, session, owner)
        return None, LogEntry(
            workspace=person.home,
            actor=actor,
            action="account.created",
            at=at,
            target=person.id,
            details={"plan": plan, "issuer": issuer},
        )

    try:
        await logged(database, body)
    except DuplicateKeyError:
        # Two first sign-ins met; the other one made the account.
        again = await find_person(database, issuer, subject)
        if again is None:
            raise
        return again
    return person


@translated
async def place_person(
    database: Database,
    workspace: str,
    *,
    issuer: str,
    subject: str,
    role: Role,
    actor: Actor,
    at: datetime,
) -> Person:
    """Makes a person a member, whom the first sign-in then finds in place.

    Somebody new gets no workspace of their own. Raises `AlreadyMember`.
    """
    person = await find_person(database, issuer, subject)
    if person is None:
        person = Person(
            _id=new_person_id(),
            issuer=issuer,
            subject=subject,
            name=subject,
            created_at=at,
            home=workspace,
        )
        await database.people.insert_one(person.model_dump(by_alias=True))
    await add_member(database, workspace, person.id, role, actor=actor, at=at)
    return person


async def _refresh(
    database: Database, issuer: str, subject: str, name: str, email: str | None
) -> Person | None:
    document = await database.people.find_one_and_update(
        {"issuer": issuer, "subject": subject},
        {"$set": {"name": name, "email": email}},
        return_document=True,
    )
    return Person.model_validate(document) if document else None


@translated
async def get_member(database: Database, workspace: str, person: str) -> Member | None:
    document = await database.members.find_one({"_id": member_id(workspace, person)})
    return Member.model_validate(document) if document else None


@translated
async def members_of(database: Database, workspace: str) -> list[Member]:
    cursor = database.members.find({"workspace": workspace}).sort([("added_at", 1), ("_id", 1)])
    return [Member.model_validate(document) async for document in cursor]


@translated
async def memberships_of(database: Database, person: str) -> list[Member]:
    cursor = database.members.find({"person": person}).sort([("added_at", 1), ("_id", 1)])
    return [Member.model_validate(document) async for document in cursor]


@translated
async def add_member(
    database: Database, workspace: str, person: str, role: Role, *, actor: Actor, at: datetime
) -> None:
    """Raises `AlreadyMember`."""

    async def body(session: Session) -> Logged[None]:
        member = Member(workspace=workspace, person=person, role=role, added_at=at)
        await insert_member(database, session, member)
        return None, LogEntry(
            workspace=workspace,
            actor=actor,
            action="member.added",
            at=at,
            target=person,
            details={"role": role},
        )

    try:
        await logged(database, body)
    except DuplicateKeyError:
        raise AlreadyMember("This person is a member already.") from None


@translated
async def change_role(
    database: Database, workspace: str, person: str, role: Role, *, actor: Actor, at: datetime
) -> None:
    """A lower role ends the invitations that the person made; keys follow the role by themselves.

    Raises `MemberNotFound`, or `LastOwner` where no owner would be left.
    """

    async def body(session: Session) -> Logged[None]:
        before = await database.members.find_one_and_update(
            {"_id": member_id(workspace, person)}, {"$set": {"role": role}}, session=session
        )
        if before is None:
            raise MemberNotFound("There is no such member.")
        await _require_owner(database, session, workspace)
        details = {"role": str(role)}
        if is_lower(role, before["role"]):
            ended = await _end_invitations(database, session, workspace, person)
            details["invitationsEnded"] = str(ended)
        return None, LogEntry(
            workspace=workspace,
            actor=actor,
            action="member.role_changed",
            at=at,
            target=person,
            details=details,
        )

    await logged(database, body)


@translated
async def remove_member(
    database: Database, workspace: str, person: str, *, actor: Actor, at: datetime
) -> int:
    """Removes the member, revokes their keys and ends their invitations; returns how many keys.

    Raises `MemberNotFound`, or `LastOwner` where no owner would be left.
    """

    async def body(session: Session) -> Logged[int]:
        gone = await database.members.delete_one(
            {"_id": member_id(workspace, person)}, session=session
        )
        if not gone.deleted_count:
            raise MemberNotFound("There is no such member.")
        await _require_owner(database, session, workspace)
        revoked = await database.api_keys.update_many(
            {"workspace": workspace, "created_by": person, "revoked_at": None},
            {"$set": {"revoked_at": at}},
            session=session,
        )
        count = int(revoked.modified_count)
        ended = await _end_invitations(database, session, workspace, person)
        return count, LogEntry(
            workspace=workspace,
            actor=actor,
            action="member.removed",
            at=at,
            target=person,
            details={"keysRevoked": str(count), "invitationsEnded": str(ended)},
        )

    return await logged(database, body)


def member_id(workspace: str, person: str) -> str:
    return f"{workspace}:{person}"


async def insert_member(database: Database, session: Session, member: Member) -> None:
    document = member.model_dump() | {"_id": member_id(member.workspace, member.person)}
    await database.members.insert_one(document, session=session)


async def _end_invitations(
    database: Database, session: Session, workspace: str, person: str
) -> int:
    """How many there were."""
    ended = await database.invitations.delete_many(
        {"workspace": workspace, "invited_by": person}, session=session
    )
    return int(ended.deleted_count)


async def _require_owner(database: Database, session: Session, workspace: str) -> None:
    # The write makes two such transactions conflict, so that two owners cannot remove each other.
    await database.workspaces.update_one(
        {"_id": workspace}, {"$inc": {"member_changes": 1}}, session=session
    )
    left = await database.members.find_one(
        {"workspace": workspace, "role": "owner"}, session=session
    )
    if left is None:
        raise LastOwner("A workspace keeps at least one owner.")
