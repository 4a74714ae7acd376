"""Making the one mongod a replica set, which transactions need, with one user for one database."""

from __future__ import annotations

import asyncio
from string import Template
from typing import Any

import yaml
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure, PyMongoError

from imagerift_local.errors import SetUpError
from imagerift_local.ports import LOOPBACK
from imagerift_local.secrets import PlatformSecrets
from imagerift_local.settings import CHECKOUT

# As parts.toml has it.
REPLICA_SET = "rs0"
# The user of the API and the operator, and the role of that name.
USER = "imagerift"
# The chart's own: what that role may do.
PRIVILEGES = CHECKOUT / "charts" / "imagerift" / "files" / "mongodb-privileges.yaml"
NOT_YET_INITIALIZED = 94
NOT_THERE = frozenset({11, 31})
ELECTION_TIMEOUT = 30.0

Client = AsyncMongoClient[dict[str, Any]]


def replica_set_url(port: int, password: str) -> str:
    """The connection string of the embedded replica set, as the services' user."""
    options = f"replicaSet={REPLICA_SET}&authSource=admin"
    return f"mongodb://{USER}:{password}@{LOOPBACK}:{port}/?{options}"


def administrator_url(port: int, key: str) -> str:
    """As mongod's own user: its password is the key of the set, and it alone may do everything."""
    options = "directConnection=true&authSource=local&authMechanism=SCRAM-SHA-256"
    return f"mongodb://__system:{key}@{LOOPBACK}:{port}/?{options}"


async def ensure_replica_set(port: int, database: str, own: PlatformSecrets) -> None:
    """Makes mongod a primary with a user of that database alone.

    A member that was moved to another port no longer finds itself in the stored configuration;
    it is then configured anew. Role and password of the user are made what they should be.

    Raises:
        SetUpError: mongod does not become primary, or does not take the key.
    """
    member = f"{LOOPBACK}:{port}"
    url = administrator_url(port, own.mongod_key)
    client: Client = AsyncMongoClient(url, serverSelectionTimeoutMS=5000)
    try:
        async with client, asyncio.timeout(ELECTION_TIMEOUT):
            await _configure(client, member)
            while not (await client.admin.command("hello"))["isWritablePrimary"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            privileges = Template(PRIVILEGES.read_text()).substitute(database=database)
            may = yaml.safe_load(privileges)
            # A role with rights on two databases can be of this one alone.
            await _ensure(client.admin, "Role", privileges=may, roles=[])
            await _ensure(client.admin, "User", pwd=own.mongo_password, roles=[USER])
    except TimeoutError:
        raise SetUpError("mongod did not become primary") from None
    except PyMongoError as error:
        raise SetUpError(f"the replica set: {error}") from error


async def _configure(client: Client, member: str) -> None:
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


async def _ensure(database: AsyncDatabase[dict[str, Any]], what: str, **settings: Any) -> None:
    """The role or the user with these settings, made where there is none."""
    try:
        await database.command(f"update{what}", USER, **settings)
    except OperationFailure as error:
        if error.code not in NOT_THERE:
            raise
        await database.command(f"create{what}", USER, **settings)
