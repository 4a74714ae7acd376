"""A database as a busy installation has it: many workspaces, one of them far larger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from imagerift_core.mongo import Database
from imagerift_core.mongo.invitations import token_hash
from imagerift_core.webhooks import GIVEN_UP_AFTER, lane_of

from tests.support.job_records import ACCEPTED_AT as NOW
from tests.support.job_records import make_output, make_record

WORKSPACES = 200
BIG = "ws_000"
_JOBS, _JOBS_OF_BIG = 40, 1_500
_DELIVERIES, _DELIVERIES_OF_BIG = 20, 1_000
_MONTHS = 12
URL = "https://receiver.example/hook"
SHARD = {"namespace": "imagerift"}
# Rows that MongoDB deletes by itself stay for as long as a test runs.
LATE = datetime(2126, 1, 1, tzinfo=UTC)


def workspace(number: int) -> str:
    return f"ws_{number:03}"


def job_id(space: str, number: int) -> str:
    return f"job-{space}-{number:05}"


def counter(space: str, months_ago: int) -> str:
    year, month = divmod(NOW.year * 12 + NOW.month - 1 - months_ago, 12)
    return f"{space}:{year}-{month + 1:02}"


async def fill(database: Database) -> None:
    """Writes the rows; each workspace has one job queued, one processing, and the rest ended."""
    spaces = [workspace(number) for number in range(WORKSPACES)]
    rows: dict[str, list[dict[str, Any]]] = {
        "jobs": [row for space in spaces for row in _jobs(space)],
        "webhook_deliveries": [row for space in spaces for row in _deliveries(space)],
        "quota_counters": [
            {"_id": counter(space, ago), "workspace": space, "charged": 9, "reserved": 0}
            for space in spaces
            for ago in range(_MONTHS)
        ],
        "workspaces": [
            {"_id": space, "name": "n", "plan": "pro", "created_at": NOW} for space in spaces
        ],
        "people": [
            {"_id": f"usr_{space}", "issuer": "i", "subject": space, "name": "n", "home": space}
            | {"created_at": NOW}
            for space in spaces
        ],
        "tombstones": [{"_id": f"gone-{number}", "at": LATE} for number in range(1_000)],
    }
    for space in spaces:
        for name, found in _account(space).items():
            rows.setdefault(name, []).extend(found)
    rows["ledger"] = [_ledger_row(row) for row in rows["jobs"] if row["status"] == "succeeded"]
    for name, documents in rows.items():
        await database.jobs.database[name].insert_many(documents, ordered=False)


def _jobs(space: str) -> list[dict[str, Any]]:
    record = make_record("job", workspace=space, at=NOW)
    template: dict[str, Any] = record.document()
    output = make_output(record).model_dump()
    count = _JOBS_OF_BIG if space == BIG else _JOBS
    rows = []
    for number in range(count):
        at = NOW - timedelta(hours=number * 8)
        status = {0: "queued", 1: "processing"}.get(number) or _ended(number)
        is_new = status == "queued" and int(space[-3:]) % 50 == 0
        rows.append(
            template
            | {
                "_id": job_id(space, number),
                "status": status,
                "created_at": at,
                "deadline_at": NOW + timedelta(hours=1 if int(space[-3:]) % 20 else -1),
                "resource_name": job_id(space, number),
                "resource_uid": None if is_new else f"uid-{space}-{number}",
                "owner": "dispatcher-1" if status == "processing" else None,
                "attempt": 0 if status == "queued" else 1,
                "batch_id": f"batch-{space}-{number // 10}" if number % 2 else None,
                "expires_at": None if number < 2 else at + timedelta(days=600),
                "spec": template["spec"] | {"mode": "style" if number % 50 != 49 else "avatar"},
                "quota": template["quota"] | {"counter": counter(space, number % _MONTHS)},
                "outputs": [output | {"generation_id": f"gen-{space}-{number}"}],
            }
        )
    # Retention is over for some.
    for row in rows[-1:]:
        row["expires_at"] = NOW - timedelta(days=1)
    return rows


def _ended(number: int) -> str:
    if number % 60 == 59:
        return "canceled"
    return "failed" if number % 20 == 19 else "succeeded"


def _ledger_row(job: dict[str, Any]) -> dict[str, Any]:
    return {
        "_id": f"{job['_id']}:0",
        "job": job["_id"],
        "workspace": job["workspace"],
        "counter": job["quota"]["counter"],
        "key_id": None,
        "mode": "style",
        "units": 1,
        "at": job["created_at"],
    }


def _deliveries(space: str) -> list[dict[str, Any]]:
    rows = []
    for number in range(_DELIVERIES_OF_BIG if space == BIG else _DELIVERIES):
        at = NOW - timedelta(minutes=number)
        row: dict[str, Any] = {
            "_id": f"evt_{space}_{number}",
            "workspace": space,
            "job": job_id(space, number),
            "event": "job.succeeded",
            "target": f"whk_{space}_{1 if number % 40 == 39 else 0}",
            "url": URL,
            "state": "failed" if number % 30 == 29 else "delivered",
            "tries": 1,
            "log": [],
            "created_at": at,
            "next_at": None,
            "expires_at": LATE,
            "lane": lane_of(space, URL),
            "give_up_at": at + GIVEN_UP_AFTER,
        }
        if number < 3:
            row |= {"state": "pending", "next_at": at, "expires_at": None}
            row["ready"] = number != 1
        rows.append(row)
    return rows


def _account(space: str) -> dict[str, list[dict[str, Any]]]:
    person, own = f"usr_{space}", {"workspace": space}
    actor = {"kind": "person", "id": person, "name": "n"}
    key = own | {"name": "k", "token_hash": "h", "prefix": "p", "last_four": "four", "scopes": []}

    def times(count: int, kind: str, row: dict[str, Any]) -> list[dict[str, Any]]:
        return [row | {"_id": f"{kind}_{space}_{number}"} for number in range(count)]

    upload = own | SHARD | {"key": "k", "content_type": "image/png", "size_bytes": 1}
    invitation = own | {"role": "member", "invited_by": person, "created_at": NOW}
    webhook = own | {"url": URL, "events": ["job.failed"], "secret": b"s", "created_at": NOW}
    return {
        "api_keys": times(3, "key", key | {"created_at": NOW, "created_by": person}),
        "members": [
            own | {"_id": f"{space}:{person}", "person": person, "role": "owner", "added_at": NOW}
        ],
        "invitations": times(
            1, "inv", invitation | {"token_hash": token_hash(space), "expires_at": LATE}
        ),
        "account_log": [
            own
            | {"_id": f"log_{space}_{number:02}", "at": NOW - timedelta(minutes=number)}
            | {"actor": actor, "action": "key.created"}
            for number in range(30)
        ],
        "webhooks": times(2, "whk", webhook),
        "uploads": times(3, "upl", upload | {"created_at": NOW, "expires_at": _ends(space)}),
        "batches": times(
            2, "batch", own | {"request_id": "r", "jobs": [], "created_at": NOW, "left": 5}
        ),
        "idempotency_keys": times(
            20, "idem", {"fingerprint": "f", "result": "r", "expires_at": LATE}
        ),
        "sessions": times(
            2,
            "session",
            {"person": person, "created_at": NOW, "last_used_at": NOW, "expires_at": LATE},
        ),
    }


def _ends(space: str) -> datetime:
    return NOW + timedelta(days=1 if int(space[-3:]) % 10 else -1)
