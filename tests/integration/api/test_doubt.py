"""What a client hears of a submit that the store did not answer to, and how it finds out."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from imagerift_core import clock
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.transactions import DOUBT_SECONDS

from tests.contract.conftest import failing_mongod
from tests.integration.api.harness import Answer, Api, Tenant, settings_of
from tests.support.pictures import encode, picture
from tests.support.server_processes import Mongod

__all__ = ["failing_mongod"]

PHOTO = encode(picture())
NOT_REPLICATED = {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}


@pytest.fixture
async def doubtful(
    environment: dict[str, str], failing_mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    """A replica on a store whose commits can be left without an answer."""
    monkeypatch.setattr("imagerift_core.mongo.transactions.COMMIT_SECONDS", 0.2)
    changed = {
        "IMAGERIFT_MONGO_URL": failing_mongod.url,
        "IMAGERIFT_MONGO_DATABASE": f"doubt_{secrets.token_hex(4)}",
    }
    async with Api(settings_of(environment | changed)) as replica:
        await replica.until_ready()
        yield replica


async def submitted_in_doubt(
    api: Api, tenant: Tenant, mongod: Mongod, *, blocked: bool, key: str | None = None
) -> Answer:
    """The answer to a submit whose commit is made, or never reaches the store, and not answered."""
    how = {"errorCode": 50, "errorLabels": ["UnknownTransactionCommitResult"]}
    with mongod.failing("commitTransaction", **(how if blocked else NOT_REPLICATED)):
        headers = {"Idempotency-Key": key} if key else {}
        return await api.call(
            "POST",
            "/api/v1/generate",
            json={"mode": "style", "prompt": "on marble", "imageBase64": PHOTO},
            headers={**tenant.headers, **headers},
        )


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do the records say for the moment what became of a commit."""

    async def away(_self: JobStore, _job_ids: object) -> None:
        raise CapacityUnavailable("The job store does not answer.")

    monkeypatch.setattr(JobStore, "get_many", away)


async def test_a_commit_that_the_records_tell_of_is_accepted(
    doubtful: Api, failing_mongod: Mongod
) -> None:
    tenant = await doubtful.tenant()
    answer = await submitted_in_doubt(doubtful, tenant, failing_mongod, blocked=False)
    assert answer.status == 202
    assert await doubtful.counted(tenant) == (0, 1)


@pytest.mark.usefixtures("unreadable")
async def test_without_a_key_the_answer_names_the_job_which_tells(
    doubtful: Api, failing_mongod: Mongod
) -> None:
    tenant = await doubtful.tenant()
    before = clock.now()

    answer = await submitted_in_doubt(doubtful, tenant, failing_mongod, blocked=False)

    assert (answer.status, answer.body["code"]) == (504, "outcome_unknown")
    assert answer.body["retryable"] is False
    settled_by = datetime.fromisoformat(answer.body["settledBy"])
    assert DOUBT_SECONDS - 5 < (settled_by - before).total_seconds() < DOUBT_SECONDS + 60
    job = await doubtful.call("GET", f"/api/v1/jobs/{answer.body['jobId']}", headers=tenant.headers)
    assert (job.status, job.body["status"]) == (200, "queued")
    assert await doubtful.counted(tenant) == (0, 1)
    assert len(await doubtful.stored(tenant)) == 1


@pytest.mark.usefixtures("unreadable")
async def test_with_a_key_the_same_request_tells(doubtful: Api, failing_mongod: Mongod) -> None:
    tenant = await doubtful.tenant()
    answer = await submitted_in_doubt(doubtful, tenant, failing_mongod, blocked=False, key="k")
    assert (answer.status, answer.body["retryable"]) == (504, True)
    assert int(answer.headers["Retry-After"]) >= 1

    again = await doubtful.call(
        "POST",
        "/api/v1/generate",
        json={"mode": "style", "prompt": "on marble", "imageBase64": PHOTO},
        headers={**tenant.headers, "Idempotency-Key": "k"},
    )

    assert (again.status, again.body["jobId"]) == (202, answer.body["jobId"])
    assert await doubtful.jobs_of(tenant) == 1


async def test_a_submit_that_never_came_to_be_is_not_found_in_the_end(
    doubtful: Api, failing_mongod: Mongod
) -> None:
    tenant = await doubtful.tenant()
    answer = await submitted_in_doubt(doubtful, tenant, failing_mongod, blocked=True)
    assert (answer.status, answer.body["code"]) == (504, "outcome_unknown")
    job = await doubtful.call("GET", f"/api/v1/jobs/{answer.body['jobId']}", headers=tenant.headers)
    assert job.status == 404
    assert await doubtful.counted(tenant) == (0, 0)


async def test_no_answer_says_not_found_while_no_majority_can_be_asked(
    doubtful: Api, failing_mongod: Mongod
) -> None:
    tenant = await doubtful.tenant()
    job_id = "0d14c65d-aea2-4a7a-8149-2f9a8cec732e"
    with failing_mongod.failing("find", errorCode=50, appName="imagerift"):
        job = await doubtful.call("GET", f"/api/v1/jobs/{job_id}", headers=tenant.headers)
    assert (job.status, job.body["code"]) == (503, "capacity_unavailable")


async def test_a_cancel_that_was_not_answered_is_told_so(
    doubtful: Api, failing_mongod: Mongod
) -> None:
    tenant = await doubtful.tenant()
    submitted = await doubtful.generate(tenant)
    with failing_mongod.failing("commitTransaction", **NOT_REPLICATED):
        answer = await doubtful.call(
            "POST", submitted.body["urls"]["cancel"], headers=tenant.headers
        )
    assert (answer.status, answer.body["code"]) == (504, "outcome_unknown")
    job = await doubtful.call("GET", submitted.body["urls"]["self"], headers=tenant.headers)
    assert job.body["status"] == "canceled"
