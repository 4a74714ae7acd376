"""A new workspace for somebody who is a member of none any more."""

from __future__ import annotations

from datetime import datetime, timedelta

from imagerift_core.ids import new_workspace_id
from imagerift_core.mongo.account_log import Actor, LogEntry, Logged, logged
from imagerift_core.mongo.accounts import Workspace
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import translated
from imagerift_core.mongo.people import Member, Person, insert_member
from imagerift_core.mongo.transactions import Session

# Leaving and coming back must not be a way to quota without end.
PAUSE = timedelta(days=30)


def may_rehome_from(person: Person) -> datetime | None:
    """From when on the person may have another new workspace; None where they never had one."""
    return person.rehomed_at + PAUSE if person.rehomed_at else None


@translated
async def rehome(
    database: Database, person: Person, *, plan: str, address: str | None, at: datetime
) -> str | None:
    """Makes a workspace on `plan` with the person as its owner; its id, or None where too soon.

    Two calls at once make one workspace; the other one's answer is None too.
    """
    workspace = Workspace(_id=new_workspace_id(), name=person.name, plan=plan, created_at=at)

    async def body(session: Session) -> Logged[str | None]:
        moved = await database.people.update_one(
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
        await database.workspaces.insert_one(workspace.model_dump(by_alias=True), session=session)
        owner = Member(workspace=workspace.id, person=person.id, role="owner", added_at=at)
        await insert_member(database, session, owner)
        return workspace.id, LogEntry(
            workspace=workspace.id,
            actor=Actor(kind="person", id=person.id, name=person.name, address=address),
            action="workspace.created",
            at=at,
            target=workspace.id,
            details={"plan": plan},
        )

    return await logged(database, body)
