"""People who sign in, and the workspaces that are their own."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field
from pymongo.errors import DuplicateKeyError

from imagerift_core.errors import SUSPENDED, AccountSuspended
from imagerift_core.ids import new_person_id, new_workspace_id
from imagerift_core.mongo.account_log import Actor, LogEntry, Logged, logged
from imagerift_core.mongo.members import Member, MemberStore, insert_member
from imagerift_core.mongo.moments import set_once
from imagerift_core.mongo.places import IdPage, id_page
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.roles import Role
from imagerift_core.stored import read, readable

# Leaving and coming back must not be a way to quota without end.
PAUSE = timedelta(days=30)


class Person(BaseModel):
    """Somebody who signed in. `issuer` and `subject` identify; name and e-mail are for show.

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
    suspended_at: datetime | None = None

    def require_not_suspended(self) -> None:
        """Raises `AccountSuspended`."""
        if self.suspended_at is not None:
            raise AccountSuspended(f"The account of '{self.name}' {SUSPENDED}.")

    @property
    def may_rehome_from(self) -> datetime | None:
        """From when on they may have another new workspace; None where they never had one."""
        return self.rehomed_at + PAUSE if self.rehomed_at else None


class PersonStore(Store):
    """Everybody who ever signed in, or was made a member."""

    async def find(self, issuer: str, subject: str) -> Person | None:
        document = await self._database.people.find_one({"issuer": issuer, "subject": subject})
        return read(Person, document) if document else None

    async def get(self, person_id: str) -> Person | None:
        document = await self._database.people.find_one({"_id": person_id})
        return read(Person, document) if document else None

    async def get_many(self, ids: list[str]) -> dict[str, Person]:
        cursor = self._database.people.find({"_id": {"$in": ids}})
        return {person.id: person async for person in readable(Person, cursor)}

    async def page(self, *, after: str, limit: int) -> IdPage[Person]:
        """Up to `limit` of everybody in the order of their ids, after the id `after`."""
        rows = self._database.people.find({"_id": {"$gt": after}}).sort("_id", 1)
        documents = [document async for document in rows.limit(limit + 1)]
        return id_page(Person, documents, limit=limit)

    async def refresh(
        self, issuer: str, subject: str, *, name: str, email: str | None
    ) -> Person | None:
        """The person of (issuer, subject), if they have an account.

        Name and e-mail follow what the issuer last said. They never identify anybody.
        """
        document = await self._database.people.find_one_and_update(
            {"issuer": issuer, "subject": subject},
            {"$set": {"name": name, "email": email}},
            return_document=True,
        )
        return read(Person, document) if document else None

    async def sign_up(
        self,
        *,
        issuer: str,
        subject: str,
        name: str,
        email: str | None,
        plan: str,
        address: str | None,
        at: datetime,
    ) -> Person:
        """The account of somebody new, with a workspace of their own on `plan`.

        Two calls at once make one account.
        """
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
            await self._database.people.insert_one(
                person.model_dump(by_alias=True), session=session
            )
            await self._insert_own(session, workspace, person)
            return None, LogEntry(
                workspace=person.home,
                actor=actor,
                action="account.created",
                at=at,
                target=person.id,
                details={"plan": plan, "issuer": issuer},
            )

        return await self._made(person, logged(self._database, body))

    async def add(
        self, *, issuer: str, subject: str, name: str, email: str | None, home: str, at: datetime
    ) -> Person:
        """Somebody new without a workspace of their own: `home` is one that they are let into.

        Two calls at once make one account.
        """
        person = Person(
            _id=new_person_id(),
            issuer=issuer,
            subject=subject,
            name=name,
            email=email,
            created_at=at,
            home=home,
        )
        document = person.model_dump(by_alias=True)
        return await self._made(person, self._database.people.insert_one(document))

    async def add_to_workspace(
        self,
        workspace: str,
        *,
        issuer: str,
        subject: str,
        role: Role,
        actor: Actor,
        at: datetime,
    ) -> Person:
        """Makes a person a member, before the first sign-in if need be.

        Somebody new gets no workspace of their own. Raises `AlreadyMember`.
        """
        person = await self.find(issuer, subject)
        if person is None:
            person = await self.add(
                issuer=issuer, subject=subject, name=subject, email=None, home=workspace, at=at
            )
        await MemberStore(self._database).add(workspace, person.id, role, actor=actor, at=at)
        return person

    async def rehome(
        self, person: Person, *, plan: str, address: str | None, at: datetime
    ) -> str | None:
        """Makes a workspace on `plan` with the person as its owner; its id, or None where too soon.

        Two calls at once make one workspace; the other one's answer is None too.
        """
        workspace = Workspace(_id=new_workspace_id(), name=person.name, plan=plan, created_at=at)

        async def body(session: Session) -> Logged[str | None]:
            moved = await self._database.people.update_one(
                {
                    "_id": person.id,
                    "home": person.home,
                    "$or": [{"rehomed_at": None}, {"rehomed_at": {"$lte": at - PAUSE}}],
                },
                {"$set": {"home": workspace.id, "rehomed_at": at}},
                session=session,
            )
            if not moved.modified_count:
                return None, None
            await self._insert_own(session, workspace, person)
            return workspace.id, LogEntry(
                workspace=workspace.id,
                actor=Actor(kind="person", id=person.id, name=person.name, address=address),
                action="workspace.created",
                at=at,
                target=workspace.id,
                details={"plan": plan},
            )

        return await logged(self._database, body)

    async def suspend(self, person_id: str, *, actor: Actor, at: datetime) -> Person | None:
        """Ends the person's sessions and invitations; they cannot sign in, their keys open nothing.

        None where there is no such person. The first time stays on record.
        """

        async def body(session: Session) -> Logged[Person | None]:
            people, known = self._database.people, {"_id": person_id}
            document, changed = await set_once(people, known, "suspended_at", at, session)
            person = read(Person, document) if document else None
            if person is None or not changed:
                return person, None
            ended = await self._database.sessions.delete_many(
                {"person": person_id}, session=session
            )
            await self._database.invitations.delete_many({"invited_by": person_id}, session=session)
            return person, LogEntry(
                workspace=person.home,
                actor=actor,
                action="account.suspended",
                at=at,
                target=person_id,
                details={"sessionsEnded": str(ended.deleted_count)},
            )

        return await logged(self._database, body)

    async def resume(self, person_id: str, *, actor: Actor, at: datetime) -> Person | None:
        """Ends a suspension: keys work again. None where there is no such person."""

        async def body(session: Session) -> Logged[Person | None]:
            people, known = self._database.people, {"_id": person_id}
            document, changed = await set_once(people, known, "suspended_at", None, session)
            person = read(Person, document) if document else None
            if person is None or not changed:
                return person, None
            return person, LogEntry(
                workspace=person.home,
                actor=actor,
                action="account.resumed",
                at=at,
                target=person_id,
            )

        return await logged(self._database, body)

    async def _insert_own(self, session: Session, workspace: Workspace, person: Person) -> None:
        """Makes the workspace, with the person as its owner."""
        document, at = workspace.model_dump(by_alias=True), workspace.created_at
        await self._database.workspaces.insert_one(document, session=session)
        owner = Member(workspace=workspace.id, person=person.id, role="owner", added_at=at)
        await insert_member(self._database, session, owner)

    async def _made(self, person: Person, making: Awaitable[object]) -> Person:
        """The person, or the one that another first sign-in made at the same moment."""
        try:
            await making
        except DuplicateKeyError:
            again = await self.find(person.issuer, person.subject)
            if again is None:
                raise
            return again
        return person
