"""Makes the bundled mongod a replica set of one with one user, then stays beside it."""

import os
import pathlib
import signal
import sys
import time

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

READY = pathlib.Path("/tmp/ready")  # noqa: S108 (the pod's own volume)
ALREADY_INITIALIZED = 23
POLL_SECONDS = 0.5
USER = "imagerift"


def is_ready(port, password):
    """Whether the user can sign in to a primary."""
    with MongoClient(
        "127.0.0.1",
        port,
        directConnection=True,
        username=USER,
        password=password,
        authSource="admin",
        serverSelectionTimeoutMS=2000,
    ) as client:
        try:
            return bool(client.admin.command("hello")["isWritablePrimary"]) and bool(
                client.admin.command("ping")
            )
        except PyMongoError:
            return False


def set_up(port, member, password):
    """One step towards that; mongod lets us in without a user only from its own host."""
    with MongoClient(
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=2000
    ) as client:
        try:
            if not client.admin.command("hello")["isWritablePrimary"]:
                members = [{"_id": 0, "host": member}]
                client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
                return
            roles = [{"role": "root", "db": "admin"}]
            client.admin.command("createUser", USER, pwd=password, roles=roles)
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                sys.stderr.write(f"not yet: {error.details.get('codeName')}\n")
        except PyMongoError as error:
            sys.stderr.write(f"not yet: {type(error).__name__}\n")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(os.environ.get("MONGO_PORT", "27017"))
    ready = pathlib.Path(os.environ.get("READY_FILE", READY))
    password = os.environ["MONGO_PASSWORD"]
    # What was ready before a restart of this container may not be now.
    ready.unlink(missing_ok=True)
    while not is_ready(port, password):
        set_up(port, os.environ["MONGO_MEMBER"], password)
        time.sleep(POLL_SECONDS)
    ready.touch()
    while True:
        signal.pause()


main()
