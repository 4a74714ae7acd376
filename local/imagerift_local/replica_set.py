"""Making the one mongod a replica set, which transactions and change streams need."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from imagerift_local.errors import SetUpError
from imagerift_local.parts import REPLICA_SET
from imagerift_local.ports import LOOPBACK

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
    await asyncio.to_thread(_ensure_replica_set, port)


def _ensure_replica_set(port: int) -> None:
    member = f"{LOOPBACK}:{port}"
    client: MongoClient[dict[str, Any]] = MongoClient(
        f"mongodb://{member}/?directConnection=true", serverSelectionTimeoutMS=5000
    )
    try:
        admin = client.admin
        _configure(client, member)
        deadline = time.monotonic() + ELECTION_TIMEOUT
        while not admin.command("hello").get("isWritablePrimary"):
            if time.monotonic() > deadline:
                raise SetUpError("mongod did not become primary")
            time.sleep(0.05)
    except PyMongoError as error:
        raise SetUpError(f"the replica set: {error}") from error
    finally:
        client.close()


def _configure(client: MongoClient[dict[str, Any]], member: str) -> None:
    fresh = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": member}]}
    try:
        stored = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        client.admin.command("replSetInitiate", fresh)
        return
    if [entry["host"] for entry in stored["members"]] != [member]:
        moved = {**stored, "version": stored["version"] + 1, "members": fresh["members"]}
        client.admin.command("replSetReconfig", moved, force=True)
