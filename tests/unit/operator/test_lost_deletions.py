"""Ended resources that are still there when they should be gone are deleted again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from imagerift_core.clock import now, rfc3339
from imagerift_operator.job_index import JobIndex
from imagerift_operator.sweeps.records import verify_ends
from imagerift_operator.sweeps.schedule import RESOURCE_GRACE

from tests.unit.operator.builders import isolation
from tests.unit.operator.test_job_index import resource
from tests.unit.operator.test_job_watch import Deletions

NOTHING: Any = None


def see_ended(index: JobIndex, uid: str, *, due_since: timedelta) -> None:
    body = resource(uid, uid, ttlSecondsAfterFinished=300)
    finished = now() - due_since - timedelta(seconds=300)
    body["status"] = {"phase": "Succeeded", "finishedAt": rfc3339(finished)}
    index.set_verified(index.observe(body).entry, verified=True)


async def test_only_what_is_long_due_and_known_to_have_ended_is_deleted_again() -> None:
    index, deletions = JobIndex(), Deletions()
    index.observe(resource("live", "live"))
    see_ended(index, "just-due", due_since=RESOURCE_GRACE / 2)
    see_ended(index, "lost", due_since=RESOURCE_GRACE * 2)
    writer: Any = deletions
    await verify_ends(isolation("verify_ends"), NOTHING, index, writer, NOTHING)
    assert deletions.due == ["lost"]
