"""What a person sees of their account: the workspaces they are in, and the log of one."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.errors import WorkspaceNotFound
from imagerift_core.mongo import account_log, accounts, people
from imagerift_core.mongo.account_log import LogEntry
from imagerift_core.mongo.accounts import Workspace
from imagerift_core.mongo.database import Database
from imagerift_core.roles import Role

from imagerift_api.http.cursors import decode_cursor, encode_cursor


class Accounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def memberships(self, person: str) -> list[tuple[Workspace, Role]]:
        """The workspaces that the person is a member of, with their role in each."""
        members = await people.memberships_of(self._database, person)
        known = await accounts.get_workspaces(self._database, [m.workspace for m in members])
        return [(known[m.workspace], m.role) for m in members if m.workspace in known]

    async def require_member(self, person: str, workspace: str) -> None:
        """Raises `WorkspaceNotFound` where the person is no member of the workspace."""
        if await people.get_member(self._database, workspace, person) is None:
            raise WorkspaceNotFound("There is no such workspace.", param="workspaceId")

    async def log(
        self, workspace: str, *, cursor: str | None, limit: int
    ) -> tuple[list[LogEntry], str | None]:
        """A page of the log, newest first, and the cursor of the next one.

        Raises `InvalidRequest` for a cursor not of ours.
        """
        entries = await account_log.page(
            self._database,
            workspace,
            before=decode_cursor(cursor) if cursor else None,
            limit=limit + 1,
        )
        shown = entries[:limit]
        more = len(entries) > limit
        return shown, encode_cursor(shown[-1].at, shown[-1].id) if more else None


ACCOUNTS = web.AppKey("accounts", Accounts)
