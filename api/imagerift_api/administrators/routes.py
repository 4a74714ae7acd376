"""/admin/v1/administrators, and /admin/v1/log: who runs the installation, and what they did."""

from __future__ import annotations

from imagerift_api.account.schemas import LogEntryObject, LogPage, LogQuery
from imagerift_api.administrators.schemas import (
    AdministratorBody,
    AdministratorList,
    AdministratorObject,
    AdministratorPath,
    NewAdministrator,
)
from imagerift_api.administrators.service import ROSTER
from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import AdminOperation

_PATH = "/admin/v1/administrators"


async def list_administrators(call: Call) -> AdministratorList:
    found = await call.app[ROSTER].all()
    return AdministratorList(data=[AdministratorObject.of(one) for one in found])


async def create_administrator(call: Call, body: AdministratorBody) -> NewAdministrator:
    made, token = await call.app[ROSTER].create(body, actor=call.administrator)
    return NewAdministrator(administrator=AdministratorObject.of(made), token=token)


async def revoke_administrator(call: Call, path: AdministratorPath) -> AdministratorObject:
    revoked = call.app[ROSTER].revoke(path.administrator_id, actor=call.administrator)
    return AdministratorObject.of(await revoked)


async def read_log(call: Call, query: LogQuery) -> LogPage:
    entries, cursor = await call.app[ROSTER].log(cursor=query.cursor, limit=query.limit)
    return LogPage(data=[LogEntryObject.of(one) for one in entries], next_cursor=cursor)


OPERATIONS = (
    AdminOperation(
        method="GET",
        path=_PATH,
        handler=list_administrators,
        name="adminListAdministrators",
        summary="List those who have a token of their own",
        replies={200: Reply("The administrators, without their tokens.", AdministratorList)},
    ),
    AdminOperation(
        method="POST",
        path=_PATH,
        handler=create_administrator,
        name="adminCreateAdministrator",
        summary="Give somebody a token of their own for the admin API",
        replies={201: Reply("The administrator and the token, shown this once.", NewAdministrator)},
    ),
    AdminOperation(
        method="DELETE",
        path=_PATH + "/{administrator_id}",
        handler=revoke_administrator,
        name="adminRevokeAdministrator",
        summary="Revoke an administrator's token; it opens nothing from now on",
        replies={200: Reply("The administrator.", AdministratorObject)},
        errors=("administrator_not_found",),
    ),
    AdminOperation(
        method="GET",
        path="/admin/v1/log",
        handler=read_log,
        name="adminReadLog",
        summary="Read what was done to administrators, plans and modes",
        replies={200: Reply("A page of the log, newest first.", LogPage)},
    ),
)
