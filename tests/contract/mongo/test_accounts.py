"""Workspaces and keys as stored."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from imagerift_core.errors import KeyNotFound
from imagerift_core.mongo import Database, StoreRefused
from imagerift_core.mongo.account_log import ADMIN_COMMAND, AccountLogStore
from imagerift_core.mongo.keys import ApiKey, KeyStore
from imagerift_core.mongo.workspaces import Workspace, WorkspaceStore

BORN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def key(number: int = 1, **fields: Any) -> ApiKey:
    values: dict[str, Any] = {
        "_id": f"key_{number}",
        "workspace": "ws_a",
        "name": "laptop",
        "token_hash": "ab" * 32,
        "prefix": "ir_live_abcd",
        "last_four": "wxyz",
        "scopes": ["jobs:read"],
        "created_at": BORN + timedelta(seconds=number),
    }
    return ApiKey.model_validate(values | fields)


async def test_a_workspace_is_kept_with_its_plan(database: Database) -> None:
    for number in (2, 1):
        workspace = Workspace.model_validate(
            {
                "_id": f"ws_{number}",
                "name": "N",
                "plan": "pro",
                "created_at": BORN + timedelta(seconds=number),
            }
        )
        await WorkspaceStore(database).create(workspace)
        assert await WorkspaceStore(database).get(f"ws_{number}") == workspace
    first = await WorkspaceStore(database).page(after="", limit=1)
    assert ([w.id for w in first.found], first.after) == (["ws_1"], "ws_1")
    rest = await WorkspaceStore(database).page(after="ws_1", limit=1)
    assert ([w.id for w in rest.found], rest.after) == (["ws_2"], None)
    assert await WorkspaceStore(database).get("ws_3") is None
    assert await WorkspaceStore(database).set_plan("ws_1", "free")
    changed = await WorkspaceStore(database).get("ws_1")
    assert changed is not None
    assert changed.plan == "free"
    assert not await WorkspaceStore(database).set_plan("ws_3", "free")


async def test_a_key_is_kept_by_its_hash_alone(database: Database) -> None:
    await KeyStore(database).create(key(), actor=ADMIN_COMMAND)
    assert await KeyStore(database).get("key_1") == key()
    assert await KeyStore(database).get("key_2") is None
    with pytest.raises(StoreRefused):
        await KeyStore(database).create(key(), actor=ADMIN_COMMAND)


async def test_keys_are_listed_oldest_first_and_by_workspace(database: Database) -> None:
    for number in (3, 1, 2):
        await KeyStore(database).create(key(number), actor=ADMIN_COMMAND)
    await KeyStore(database).create(key(4, workspace="ws_b"), actor=ADMIN_COMMAND)
    listed = await KeyStore(database).all_of("ws_a")
    assert [k.id for k in listed] == ["key_1", "key_2", "key_3"]


async def test_the_first_revocation_stays_on_record(database: Database) -> None:
    await KeyStore(database).create(key(), actor=ADMIN_COMMAND)
    moments = [BORN + timedelta(hours=hour) for hour in (1, 2)]
    for moment in moments:
        revoked = await KeyStore(database).revoke(None, "key_1", actor=ADMIN_COMMAND, at=moment)
        assert revoked.revoked_at == moments[0]
    stored = await KeyStore(database).get("key_1")
    assert stored is not None
    assert stored.revoked_at == moments[0]
    with pytest.raises(KeyNotFound):
        await KeyStore(database).revoke(None, "key_2", actor=ADMIN_COMMAND, at=BORN)
    with pytest.raises(KeyNotFound):
        await KeyStore(database).revoke("ws_b", "key_1", actor=ADMIN_COMMAND, at=BORN)
    entries = await AccountLogStore(database).page("ws_a", before=None, limit=10)
    assert [entry.action for entry in entries] == ["key.revoked", "key.created"]


async def test_last_use_never_moves_back(database: Database) -> None:
    for number in (1, 2):
        await KeyStore(database).create(key(number), actor=ADMIN_COMMAND)
    moments = [BORN + timedelta(minutes=minute) for minute in (5, 9, 7)]
    await asyncio.gather(
        *(KeyStore(database).mark_used(["key_1", "gone"], at=moment) for moment in moments)
    )
    await KeyStore(database).mark_used([], at=BORN)
    used, unused = await KeyStore(database).all_of("ws_a")
    assert used.last_used_at == BORN + timedelta(minutes=9)
    assert unused.last_used_at is None
