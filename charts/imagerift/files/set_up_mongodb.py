"""Makes the bundled mongod a replica set of one with one user, then stays beside it.

It signs in as mongod's own user, whose password is the key of the replica set: nobody else may do
everything. A server without a key has no passwords, and gets no user.
"""

import json
import os
import pathlib
import signal
import sys
import time

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

READY = pathlib.Path("/tmp/ready")  # noqa: S108 (the pod's own volume)
NOT_THERE = (11, 31)
POLL_SECONDS = 0.5
USER = "imagerift"


def connected(port):
    """A client that waits for no primary, with an administrator's rights."""
    # mongod passes over white space in the file, too.
    key = "".join(os.environ.get("MONGO_KEY", "").split())
    account = {"username": "__system", "password": key, "authSource": "local"}
    return MongoClient(
        "127.0.0.1",
        port,
        directConnection=True,
        serverSelectionTimeoutMS=2000,
        **({**account, "authMechanism": "SCRAM-SHA-256"} if key else {}),
    )


def ensure(database, what, settings):
    """Makes the role or the user what it should be, whatever an earlier release made it."""
    try:
        database.command(f"update{what}", USER, **settings)
    except OperationFailure as error:
        if error.code not in NOT_THERE:
            raise
        database.command(f"create{what}", USER, **settings)


def is_set_up(port):
    """Whether all is as it should be, after one step towards that."""
    with connected(port) as client:
        try:
            if not client.admin.command("hello")["isWritablePrimary"]:
                members = [{"_id": 0, "host": os.environ["MONGO_MEMBER"]}]
                client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
                return False
            if "MONGO_KEY" in os.environ:
                privileges = json.loads(os.environ["MONGO_PRIVILEGES"])
                ensure(client.admin, "Role", {"privileges": privileges, "roles": []})
                user = {"pwd": os.environ["MONGO_PASSWORD"], "roles": [USER]}
                ensure(client.admin, "User", user)
        except OperationFailure as error:
            sys.stderr.write(f"not yet: {error.details.get('codeName')}\n")
            return False
        except PyMongoError as error:
            sys.stderr.write(f"not yet: {type(error).__name__}\n")
            return False
    return True


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(os.environ.get("MONGO_PORT", "27017"))
    ready = pathlib.Path(os.environ.get("READY_FILE", READY))
    # What was ready before a restart of this container may not be now.
    ready.unlink(missing_ok=True)
    while not is_set_up(port):
        time.sleep(POLL_SECONDS)
    ready.touch()
    while True:
        signal.pause()


main()
