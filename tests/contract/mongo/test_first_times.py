"""What is retired, revoked or suspended by several at once is so since one moment, told once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from imagerift_core.mongo import Database
from imagerift_core.mongo.account_log import ADMIN_COMMAND, Action
from imagerift_core.mongo.administrators import AdministratorStore
from imagerift_core.mongo.catalogue import CatalogueStore
from imagerift_core.mongo.people import PersonStore
from imagerift_core.mongo.workspaces import WorkspaceStore

BORN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AT_ONCE = 8

End = Callable[[Database, datetime], Awaitable[Any]]

# Collection, the record as stored, the field, the log's word for it, and what sets it.
ENDS: dict[str, tuple[str, dict[str, Any], str, Action, End]] = {
    "plan": (
        "catalogue",
        {"_id": "plan/gold", "kind": "plan", "name": "gold", "content": {}, "changed_at": BORN},
        "retired_at",
        "plan.retired",
        lambda database, at: CatalogueStore(database).retire(
            "plan", "gold", actor=ADMIN_COMMAND, at=at
        ),
    ),
    "administrator": (
        "administrators",
        {
            "_id": "adm_1",
            "name": "ops",
            "token_hash": "ab" * 32,
            "last_four": "wxyz",
            "created_at": BORN,
            "created_by": "command",
        },
        "revoked_at",
        "administrator.revoked",
        lambda database, at: AdministratorStore(database).revoke(
            "adm_1", actor=ADMIN_COMMAND, at=at
        ),
    ),
    "person": (
        "people",
        {
            "_id": "usr_1",
            "issuer": "https://issuer.example",
            "subject": "1",
            "email": "ada@example.org",
            "name": "Ada",
            "home": "ws_a",
            "created_at": BORN,
        },
        "suspended_at",
        "account.suspended",
        lambda database, at: PersonStore(database).suspend("usr_1", actor=ADMIN_COMMAND, at=at),
    ),
    "workspace": (
        "workspaces",
        {"_id": "ws_a", "name": "N", "plan": "pro", "created_at": BORN},
        "suspended_at",
        "workspace.suspended",
        lambda database, _: WorkspaceStore(database).suspend("ws_a", actor=ADMIN_COMMAND),
    ),
}


@pytest.mark.parametrize("what", ENDS)
async def test_ends_at_once_are_one(database: Database, what: str) -> None:
    collection, record, field, action, end = ENDS[what]
    stored = database.jobs.database[collection]
    await stored.insert_one(record)
    moments = [BORN + timedelta(minutes=minute) for minute in range(1, AT_ONCE + 1)]
    told = await asyncio.gather(*(end(database, moment) for moment in moments))
    found = await stored.find_one({"_id": record["_id"]})
    assert found is not None and found[field] is not None
    if what != "workspace":
        assert {getattr(entry, field) for entry in told} == {found[field]}
    entries = await database.jobs.database.account_log.find({"action": action}).to_list(None)
    assert [entry["at"] for entry in entries] == [found[field]]
