"""The indexes of every collection: each query of the stores has one that it reads no more by than
it returns, which `tests/contract/mongo/test_examined.py` holds.

They are made at the start of each API process, while the collection goes on being read and
written. One that a release replaces is in `REPLACED`: it goes once nobody of the release before is
left, and comes again on the way back to it (`migrations.py`).
"""

from __future__ import annotations

from pymongo import ASCENDING as UP
from pymongo import DESCENDING as DOWN
from pymongo import IndexModel

_TOMBSTONE_SECONDS = 7 * 24 * 3600
_GONE_SECONDS = 3600
_NEWEST_FIRST = [("created_at", DOWN), ("_id", DOWN)]
# Rows that go by themselves at a time of their own.
_AT_ITS_TIME = IndexModel("expires_at", expireAfterSeconds=0)

INDEXES: dict[str, list[IndexModel]] = {
    "jobs": [
        IndexModel([("workspace", UP), *_NEWEST_FIRST]),
        IndexModel([("workspace", UP), ("status", UP), *_NEWEST_FIRST]),
        IndexModel([("workspace", UP), ("spec.mode", UP), *_NEWEST_FIRST]),
        IndexModel("outputs.generation_id", sparse=True),
        IndexModel([("namespace", UP), ("status", UP), ("deadline_at", UP)]),
        # Few at any time: what is asked for every few seconds must not cost more with the queue.
        IndexModel(
            [("namespace", UP), ("status", UP), ("created_at", UP)],
            partialFilterExpression={"resource_uid": None},
        ),
        IndexModel("expires_at", sparse=True),
        IndexModel("batch_id", sparse=True),
    ],
    "quota_counters": [IndexModel([("workspace", UP), ("_id", DOWN)])],
    "ledger": [
        IndexModel([("workspace", UP), ("at", DOWN)]),
        IndexModel([("counter", UP), ("at", DOWN), ("_id", DOWN)]),
    ],
    "tombstones": [IndexModel("at", expireAfterSeconds=_TOMBSTONE_SECONDS)],
    "workspaces": [IndexModel([("plan", UP), ("suspended_at", UP)])],
    "api_keys": [IndexModel("workspace")],
    "people": [IndexModel([("issuer", UP), ("subject", UP)], unique=True)],
    "members": [IndexModel("workspace"), IndexModel("person")],
    "invitations": [
        IndexModel("token_hash", unique=True),
        IndexModel("workspace"),
        IndexModel("invited_by"),
        _AT_ITS_TIME,
    ],
    "sessions": [IndexModel("person"), _AT_ITS_TIME],
    "account_log": [IndexModel([("workspace", UP), ("at", DOWN), ("_id", DOWN)])],
    "webhooks": [IndexModel("workspace")],
    "webhook_deliveries": [
        IndexModel([("workspace", UP), *_NEWEST_FIRST]),
        IndexModel([("workspace", UP), ("state", UP), *_NEWEST_FIRST]),
        IndexModel([("workspace", UP), ("target", UP), *_NEWEST_FIRST]),
        # What the queue asks for holds what waits, is due or is under way: not what is over.
        IndexModel(
            [("workspace", UP), ("lane", UP), ("next_at", UP)],
            partialFilterExpression={"ready": True, "state": "pending"},
        ),
        IndexModel("next_at", partialFilterExpression={"ready": False}),
        # The backlog's, which is counted without reading a row.
        IndexModel(
            [("ready", UP), ("next_at", UP)], partialFilterExpression={"ready": {"$exists": True}}
        ),
        IndexModel("leased_until", sparse=True),
        IndexModel("slots", sparse=True, unique=True),
        IndexModel("lane", partialFilterExpression={"lane": None, "state": "pending"}),
        _AT_ITS_TIME,
    ],
    "webhook_breakers": [_AT_ITS_TIME],
    "idempotency_keys": [_AT_ITS_TIME],
    "uploads": [IndexModel("expires_at"), IndexModel([("workspace", UP), ("size_bytes", UP)])],
    "streams": [_AT_ITS_TIME],
    "rate_windows": [_AT_ITS_TIME],
    "processes": [IndexModel("seen_at", expireAfterSeconds=_GONE_SECONDS)],
}

# As the release before made them.
REPLACED: dict[str, list[IndexModel]] = {
    "jobs": [
        IndexModel(
            [("namespace", UP), ("created_at", UP)],
            partialFilterExpression={"resource_uid": None},
        )
    ],
    "ledger": [IndexModel("counter")],
}
