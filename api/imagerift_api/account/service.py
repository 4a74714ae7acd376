"""What a person sees of their account: the workspaces they are in, and the log of one."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.errors import SessionNotFound, WorkspaceNotFound
from imagerift_core.mongo.account_log import AccountLogStore, LogEntry
from imagerift_core.mongo.members import MemberStore
from imagerift_core.mongo.sessions import SessionStore
from imagerift_core.mongo.workspaces import Workspace, WorkspaceStore
from imagerift_core.roles import Role

from imagerift_api.http.cursors import decode_cursor, encode_cursor


class Accounts:
    def __init__(
        self,
        workspaces: WorkspaceStore,
        members: MemberStore,
        sessions: SessionStore,
        account_log: AccountLogStore,
    ) -> None:
        self._workspaces = workspaces
        self._members = members
        self._sessions = sessions
        self._account_log = account_log

    async def memberships(self, person: str) -> list[tuple[Workspace, Role]]:
        """The workspaces that the person may go on in, with their role in each."""
        members = await self._members.of_person(person)
        known = await self._workspaces.get_many([m.workspace for m in members])
        return [
            (known[m.workspace], m.role)
            for m in members
            if m.workspace in known and known[m.workspace].suspended_at is None
        ]

    async def require_member(self, person: str, workspace: str) -> None:
        """Raises `WorkspaceNotFound` where the person is no member, or `AccountSuspended`."""
        found = await self._workspaces.get(workspace)
        if found is None or await self._members.get(workspace, person) is None:
            raise WorkspaceNotFound("There is no such workspace.", param="workspaceId")
        found.require_not_suspended()

    async def end_session(self, person: str, session: str) -> None:
        """Raises `SessionNotFound`."""
        if not await self._sessions.end(session, person=person):
            raise SessionNotFound("There is no such session.")

    async def end_other_sessions(self, person: str, *, but: str) -> None:
        await self._sessions.end_all(person, but=but)

    async def log(
        self, workspace: str, *, cursor: str | None, limit: int
    ) -> tuple[list[LogEntry], str | None]:
        """A page of the log, newest first, and the cursor of the next one.

        Raises `InvalidRequest` for a cursor not of ours.
        """
        entries = await self._account_log.page(
            workspace,
            before=decode_cursor(cursor) if cursor else None,
            limit=limit + 1,
        )
        shown = entries[:limit]
        more = len(entries) > limit
        return shown, encode_cursor(shown[-1].at, shown[-1].id) if more else None


ACCOUNTS = web.AppKey("accounts", Accounts)
