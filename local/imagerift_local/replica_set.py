"""Making the one mongod a replica set, which transactions and change streams need."""

from __future__ import annotations

import asyncio
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from imagerift_local.errors import SetUpError
from imagerift_local.ports import LOOPBACK

# As parts.toml has it.
REPLICA_SET = "rs0"
NOT_YET_INITIALIZED = 94
ELECTION_TIMEOUT = 30.0


def replica_set_url(port: int) -> str:
    """The connection string of the embedded replica set."""
    return f"mongodb://{LOOPBACK}:{port}/?replicaSet={REPLICA_SET}"


async def ensure_replica_set(port: int) -> None:
    """Initiates the replica set when it is new, and waits until the member is primary.

    A member that was moved to another port no longer finds itself in the stored configuration;
    it is then configured anew.

    Raises:
        SetUpError: mongod does not become primary.
    """
    member = f"{LOOPBACK}:{port}"
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        f"mongodb://{member}/?directConnection=true", serverSelectionTimeoutMS=5000
    )
    try:
        async with client, asyncio.timeout(ELECTION_TIMEOUT):
            await _configure(client, member)
            while not await _is_primary(client):  # noqa: ASYNC110 (mongod cannot set an event)
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise SetUpError("mongod did not become primary") from None
    except PyMongoError as error:
        raise SetUpError(f"the replica set: {error}") from error


async def _is_primary(client: AsyncMongoClient[dict[str, Any]]) -> bool:
    return bool((await client.admin.command("hello")).get("isWritablePrimary"))


async def _configure(client: AsyncMongoClient[dict[str, Any]], member: str) -> None:
    fresh = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": member}]}
    try:
        stored = (await client.admin.command("replSetGetConfig"))["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        await client.admin.command("replSetInitiate", fresh)
        return
    if [entry["host"] for entry in stored["members"]] != [member]:
        moved = {**stored, "version": stored["version"] + 1, "members": fresh["members"]}
        await client.admin.command("replSetReconfig", moved, force=True)
