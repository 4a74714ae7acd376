"""processing → succeeded | failed | canceled, for many jobs in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pymongo import UpdateOne

from imagerift_core import quota
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo import deliveries
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import is_of_the_data, is_passing
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.settlement_rules import Settlement
from imagerift_core.stored import read


@dataclass
class GroupResult:
    """What became of a group: records as written, ids that no longer matched, ids set aside."""

    settled: dict[str, JobRecord] = field(default_factory=dict)
    superseded: list[str] = field(default_factory=list)
    set_aside: dict[str, str] = field(default_factory=dict)


class Settlements(Store):
    """Ends of attempts."""

    async def settle(self, group: Sequence[Settlement], *, at: datetime) -> GroupResult:
        """Writes the ends of `group`, charging each delivered output exactly once.

        Members are read back inside the transaction, and only those that their attempt still holds
        are written. A member with a cancel asked for ends canceled and uncharged whatever its
        attempt brought. On an error that a retry cannot mend the group is halved, down to the one
        job at fault, which is set aside with the error's name.

        Raises `CapacityUnavailable` where the store is away or busy, or refuses everybody: nothing
        is known to be written, and the same group may be settled again.
        """
        try:
            return await self._database.transaction(
                lambda session: _settle_in(self._database, session, group, at)
            )
        except Exception as error:
            if is_passing(error):
                raise
            if not is_of_the_data(error):
                raise CapacityUnavailable("The job store takes no settlement.") from error
            if len(group) == 1:
                return GroupResult(set_aside={group[0].job_id: type(error).__name__})
        middle = len(group) // 2
        first = await self.settle(group[:middle], at=at)
        second = await self.settle(group[middle:], at=at)
        return GroupResult(
            settled=first.settled | second.settled,
            superseded=first.superseded + second.superseded,
            set_aside=first.set_aside | second.set_aside,
        )


async def _settle_in(
    database: Database,
    session: Session,
    group: Sequence[Settlement],
    at: datetime,
) -> GroupResult:
    result = GroupResult()
    cursor = database.jobs.find({"_id": {"$in": [s.job_id for s in group]}}, session=session)
    records = {d["_id"]: read(JobRecord, d) async for d in cursor}
    matching = []
    for settlement in group:
        # Taken out, so that a job named twice in the group is counted once.
        record = records.pop(settlement.job_id, None)
        if record is not None and _is_current(record, settlement):
            matching.append((record, settlement))
        else:
            result.superseded.append(settlement.job_id)
    if not matching:
        return result
    ended = [_ended(record, settlement, at) for record, settlement in matching]
    charged_after = await _move_counters(database, session, ended)
    ended = [_with_remaining(record, charged_after) for record in ended]
    rows = [row for record in ended for row in ledger_rows(record, at)]
    if rows:
        await database.ledger.insert_many(rows, session=session)
    await database.jobs.bulk_write([_update(record) for record in ended], session=session)
    await deliveries.add(database, session, ended, at=at)
    result.settled = {record.id: record for record in ended}
    return result


def _is_current(record: JobRecord, settlement: Settlement) -> bool:
    return (
        record.status is Status.PROCESSING
        and record.attempt == settlement.attempt
        and record.owner == settlement.owner
    )


def _ended(record: JobRecord, settlement: Settlement, at: datetime) -> JobRecord:
    changes: dict[str, Any] = {
        "completed_at": at,
        "owner": None,
        "expires_at": at + timedelta(days=record.retention_days),
    }
    if record.cancel_requested:
        changes |= {"status": Status.CANCELED, "quota": _moved(record, "released", 0)}
    elif settlement.status is Status.FAILED:
        changes |= {
            "status": Status.FAILED,
            "error": settlement.error,
            "omitted": settlement.omitted,
            "models": settlement.models,
            "stage_ms": settlement.stage_ms,
            "quota": _moved(record, "released", 0),
        }
    else:
        if len(settlement.outputs) > record.quota.units:
            raise ValueError("more outputs than units reserved")
        changes |= {
            "status": Status.SUCCEEDED,
            "outputs": settlement.outputs,
            "omitted": settlement.omitted,
            "models": settlement.models,
            "preset_used": settlement.preset_used,
            "stage_ms": settlement.stage_ms,
            "analysis": settlement.analysis,
            "quota": _moved(record, "charged", len(settlement.outputs)),
        }
    return record.model_copy(update=changes)


def _moved(record: JobRecord, state: str, units: int) -> Any:
    return record.quota.model_copy(update={"state": state, "charged_units": units})


async def _move_counters(
    database: Database, session: Session, ended: Sequence[JobRecord]
) -> dict[str, int]:
    released: Counter[str] = Counter()
    charged: Counter[str] = Counter()
    for record in ended:
        released[record.quota.counter] += record.quota.units
        charged[record.quota.counter] += record.quota.charged_units
    after = {}
    for counter, units in released.items():
        document = await database.counters.find_one_and_update(
            {"_id": counter},
            {"$inc": {"reserved": -units, "charged": charged[counter]}},
            return_document=True,
            session=session,
        )
        if document is None:
            raise LookupError("the job's quota counter is missing")
        after[counter] = document["charged"]
    return after


def _with_remaining(record: JobRecord, charged_after: dict[str, int]) -> JobRecord:
    left = quota.remaining(record.quota.limit, charged_after[record.quota.counter])
    return record.model_copy(update={"quota": record.quota.model_copy(update={"remaining": left})})


def ledger_rows(record: JobRecord, at: datetime) -> list[dict[str, Any]]:
    """One row a delivered output of a charged job; the `_id` forbids a second one."""
    if record.quota.state != "charged":
        return []
    return [
        {
            "_id": f"{record.id}:{output.index}",
            "job": record.id,
            "workspace": record.workspace,
            "counter": record.quota.counter,
            "key_id": record.key_id,
            "mode": record.spec.mode,
            "units": 1,
            "at": at,
        }
        for output in record.outputs
    ]


def _update(record: JobRecord) -> UpdateOne:
    written = {
        "status",
        "completed_at",
        "owner",
        "expires_at",
        "error",
        "outputs",
        "omitted",
        "models",
        "preset_used",
        "stage_ms",
        "analysis",
        "quota",
    }
    document = record.document()
    return UpdateOne(
        {"_id": record.id, "status": Status.PROCESSING.value, "attempt": record.attempt},
        {"$set": {name: document[name] for name in sorted(written)}},
    )
