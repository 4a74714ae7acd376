"""A case for everything that a sweep does to many."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

from imagerift_core.clock import now
from imagerift_core.model_documents import ControlAnswer
from imagerift_core.mongo.job_lists import LiveResource
from imagerift_core.mongo.scheduler_snapshot import QueuePosition
from imagerift_core.object_keys import source_key
from imagerift_core.s3 import StoredObject
from imagerift_core.triton import ModelServer
from imagerift_operator.in_flight import InFlight, RunningAttempt
from imagerift_operator.job_entry import JobEntry
from imagerift_operator.job_index import JobIndex
from imagerift_operator.pools import Replica
from imagerift_operator.progress import ProgressWatch
from imagerift_operator.slots import Slots
from imagerift_operator.sweeps import attempts, records, resources, storage
from imagerift_operator.waiting_reasons import WaitingReasons

from tests.support.members import MEMBERS, Members
from tests.unit.operator.builders import START, isolation, make_entry
from tests.unit.operator.member_cases import (
    LEADS,
    NOTHING,
    Cases,
    bodies,
    calls,
    each,
    ended,
    group_reader,
    memory_of,
    record_of,
    returning,
    rows,
)

CASES = Cases()


@CASES.of("ProgressWatch.look")
async def servers_are_asked(members: Members) -> None:
    in_flight = InFlight()
    for member in MEMBERS:

        class Server(ModelServer):
            address = member

            def __init__(self) -> None:
                """Connects to nothing."""

            async def progress(self, _: object) -> ControlAnswer:
                await members.act(self.address)
                return ControlAnswer()

        replica = Replica(Server(), NOTHING, Slots(1))
        since = now() - timedelta(seconds=5)
        attempt = RunningAttempt(make_entry(member), replica, ExitStack(), since, number=1)
        in_flight._attempts[member] = attempt
    await ProgressWatch(in_flight).look(isolation())


@CASES.of("recover_attempts")
async def attempts_are_taken_over(members: Members) -> None:
    await attempts.recover_attempts(
        isolation(),
        calls(processing=returning(rows(status="processing", owner="gone"))),
        memory_of(),
        calls(may_take_over=lambda _: True, take_over=members.act_on),
        calls(cancel_everywhere=AsyncMock()),
        leadership=LEADS,
        namespace="imagerift",
    )


@CASES.of("recover_attempts")
async def replicas_are_told(members: Members) -> None:
    async def cancel(_pool: object, attempt: str, *, for_good: bool) -> None:
        assert not for_good
        members.serve(next(member for member in MEMBERS if attempt.startswith(member)))

    await attempts.recover_attempts(
        isolation(),
        calls(processing=returning(rows(status="processing", owner="gone"))),
        memory_of(),
        calls(may_take_over=lambda _: True, take_over=AsyncMock()),
        calls(cancel_everywhere=cancel),
        leadership=LEADS,
        namespace="imagerift",
    )


@CASES.of("fail_overdue")
async def overdue_records_are_failed(members: Members) -> None:
    await attempts.fail_overdue(
        isolation(),
        calls(overdue=returning(rows()), fail_overdue=members.act),
        memory_of(),
        NOTHING,
        NOTHING,
        namespace="imagerift",
    )


@CASES.of("fail_overdue")
async def statuses_of_overdue_jobs_are_written(members: Members) -> None:
    async def fail(job_id: str, **_: Any) -> Any:
        return record_of(job_id)

    await attempts.fail_overdue(
        isolation(),
        calls(overdue=returning(rows()), fail_overdue=fail),
        memory_of(*bodies()),
        calls(try_write=members.act_on),
        MagicMock(),
        namespace="imagerift",
    )


@CASES.of("verify_ends")
async def false_ends_are_taken_back(members: Members) -> None:
    jobs = calls(get_many=returning({member: record_of(member) for member in MEMBERS}))
    memory = memory_of(*bodies(status=ended()))
    await records.verify_ends(
        isolation(),
        jobs,
        memory.index,
        calls(try_write=members.act_on),
        calls(reconcile=AsyncMock()),
    )


@CASES.of("verify_ends", grouped=True)
async def ends_are_read(members: Members) -> None:
    async def note(entry: JobEntry) -> None:
        members.serve(entry.job_id)

    memory = memory_of(*bodies(status=ended()))
    await records.verify_ends(
        isolation(),
        calls(get_many=group_reader(members)),
        memory.index,
        calls(try_write=AsyncMock()),
        calls(reconcile=note),
    )


@CASES.of("reconcile_idle")
async def idle_jobs_are_reconciled(members: Members) -> None:
    async def reconcile(entry: JobEntry) -> None:
        members.serve(entry.job_id)

    jobs = calls(get_many=returning({member: record_of(member) for member in MEMBERS}))
    await records.reconcile_idle(
        isolation(),
        jobs,
        memory_of(*bodies()),
        NOTHING,
        calls(reconcile=reconcile),
        writer=NOTHING,
        record_grace=timedelta(0),
    )


@CASES.of("reconcile_idle", grouped=True)
async def idle_records_are_read(members: Members) -> None:
    async def reconcile(entry: JobEntry) -> None:
        members.serve(entry.job_id)

    await records.reconcile_idle(
        isolation(),
        calls(get_many=group_reader(members)),
        memory_of(*bodies()),
        NOTHING,
        calls(reconcile=reconcile),
        writer=NOTHING,
        record_grace=timedelta(0),
    )


@CASES.of("reconcile_idle")
async def resources_without_a_record_are_told(members: Members) -> None:
    async def write(entry: JobEntry, _: object) -> None:
        members.serve(entry.job_id)

    await records.reconcile_idle(
        isolation(),
        calls(get_many=returning({})),
        memory_of(*bodies()),
        NOTHING,
        NOTHING,
        writer=cast(Any, calls(try_status=write)),
        record_grace=timedelta(0),
    )


@CASES.of("create_missing_resources")
async def missing_resources_are_made(members: Members) -> None:
    async def create(body: dict[str, Any]) -> Any:
        members.serve(body["metadata"]["name"])
        return {"metadata": {"uid": "u", "labels": {"imagerift.dev/origin": "api"}}}

    jobs = calls(without_resource=returning(rows()), set_resource_uids=AsyncMock())
    await resources.create_missing_resources(
        isolation(), jobs, calls(create_job=create), JobIndex(), MagicMock(), namespace="imagerift"
    )


@CASES.of("create_missing_resources", grouped=True)
async def resources_are_noted(members: Members) -> None:
    async def note(uids: dict[str, str]) -> None:
        members.check(uids)
        for member in uids:
            members.serve(member)

    jobs = calls(without_resource=returning(rows()), set_resource_uids=note)
    index = memory_of(*bodies()).index
    await resources.create_missing_resources(
        isolation(), jobs, NOTHING, index, MagicMock(), namespace="imagerift"
    )


@CASES.of("compare_with_server")
async def changes_are_caught_up_with(members: Members) -> None:
    def observe(_: object, body: dict[str, Any]) -> None:
        members.serve(body["metadata"]["name"])

    kube = calls(list_jobs=lambda: each(bodies()))
    await resources.compare_with_server(
        isolation(),
        calls(live_resources=lambda **_: each([])),
        kube,
        memory_of(),
        cast(Any, calls(observe=observe)),
        namespace="imagerift",
    )


@CASES.of("compare_with_server")
async def lost_resources_are_forgotten(members: Members) -> None:
    await resources.compare_with_server(
        isolation(),
        calls(live_resources=lambda **_: each([])),
        calls(list_jobs=lambda: each([]), get_job=members.act),
        memory_of(*bodies()),
        MagicMock(),
        namespace="imagerift",
    )


@CASES.of("compare_with_server")
async def jobs_of_lost_resources_are_canceled(members: Members) -> None:
    lost = [
        LiveResource(
            _id=member, workspace="ws_a", resource_name=member, resource_uid=f"uid-{member}"
        )
        for member in MEMBERS
    ]
    await resources.compare_with_server(
        isolation(),
        calls(
            live_resources=lambda **_: each(lost), cancel_queued=members.act, ask_cancel=AsyncMock()
        ),
        calls(list_jobs=lambda: each([]), get_job=returning(None)),
        memory_of(),
        MagicMock(),
        namespace="imagerift",
    )


@CASES.of("delete_expired_jobs")
async def resources_of_expired_jobs_are_deleted(members: Members) -> None:
    jobs = calls(expired=returning(rows(resource_uid="u")), forget=AsyncMock())
    await storage.delete_expired_jobs(
        isolation(),
        jobs,
        calls(delete_prefix=AsyncMock()),
        calls(delete_job=members.act),
        namespace="imagerift",
    )


@CASES.of("delete_expired_jobs")
async def bytes_of_expired_jobs_are_deleted(members: Members) -> None:
    async def delete(prefix: str) -> None:
        members.serve(prefix.strip("/").rsplit("/", 1)[1])

    jobs = calls(expired=returning(rows()), forget=AsyncMock())
    await storage.delete_expired_jobs(
        isolation(), jobs, calls(delete_prefix=delete), NOTHING, namespace="imagerift"
    )


@CASES.of("delete_expired_jobs")
async def records_of_expired_jobs_are_forgotten(members: Members) -> None:
    jobs = calls(expired=returning(rows()), forget=members.act)
    await storage.delete_expired_jobs(
        isolation(), jobs, calls(delete_prefix=AsyncMock()), NOTHING, namespace="imagerift"
    )


@CASES.of("delete_expired_uploads")
async def uploads_are_deleted(members: Members) -> None:
    async def delete(keys: list[str]) -> None:
        members.serve(keys[0])

    found = [SimpleNamespace(id=member, key=member) for member in MEMBERS]
    await storage.delete_expired_uploads(
        isolation(),
        calls(expired=returning(found), forget=AsyncMock()),
        calls(delete=delete),
        namespace="imagerift",
    )


def orphans() -> Any:
    keys = [source_key("ws_a", member) for member in MEMBERS]
    return lambda _: each(StoredObject(key, 1, START) for key in keys)


@CASES.of("delete_orphaned_bytes", grouped=True)
async def orphans_are_looked_up(members: Members) -> None:
    async def get_many(job_ids: list[str]) -> dict[str, Any]:
        members.check(job_ids)
        return {}

    async def delete(keys: Iterable[str]) -> None:
        for key in keys:
            members.serve(key.split("/")[3])

    await storage.delete_orphaned_bytes(
        isolation(),
        calls(get_many=get_many, settle_doubt=AsyncMock()),
        calls(),
        calls(list_objects=orphans(), delete=delete),
        grace=timedelta(0),
    )


@CASES.of("WaitingReasons.tell")
async def reasons_are_written(members: Members) -> None:
    async def show(entry: JobEntry, _: object) -> None:
        members.serve(entry.job_id)

    entries = {member: make_entry(member) for member in MEMBERS}
    reasons = WaitingReasons(cast(Any, calls(waiting=entries.get)), calls(show_waiting=show))
    positions = {
        member: QueuePosition(position=1, eta_seconds=None, reason="waiting_for_turn")
        for member in MEMBERS
    }
    reasons.look(positions, now())
    await reasons.tell(isolation())
