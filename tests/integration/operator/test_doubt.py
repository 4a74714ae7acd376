"""A hand-made job whose admission nobody answered keeps its bytes until it is known to be none."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import pytest
from imagerift_core import clock, object_keys
from imagerift_core.errors import CapacityUnavailable, OutcomeUnknown, QuotaExhausted
from imagerift_core.ids import new_job_id
from imagerift_core.modes import load_modes
from imagerift_core.mongo import Database, Stores, connect
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.uploads import UploadStore
from imagerift_core.mongo.workspaces import Workspace, WorkspaceStore
from imagerift_core.plans import Plans, load_plans
from imagerift_core.s3 import ObjectStore
from imagerift_operator.admission import HandMadeAdmission
from imagerift_operator.sweeps.storage import delete_orphaned_bytes

from tests.contract.conftest import failing_mongod
from tests.integration.operator.test_uploads import (
    PHOTO,
    WORKSPACE,
    Namespace,
    make_upload,
    resource,
)
from tests.support.server_processes import Mongod
from tests.unit.operator.builders import isolation

__all__ = ["failing_mongod"]

NOT_REPLICATED = {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}
LONG_AGO = timedelta(seconds=-60)


@pytest.fixture
async def failing(
    failing_mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    monkeypatch.setattr("imagerift_core.mongo.transactions.COMMIT_SECONDS", 0.2)
    async with connect(failing_mongod.url, f"doubt_{secrets.token_hex(4)}") as database:
        await database.ensure_indexes()
        workspace = Workspace(_id=WORKSPACE, name="test", plan="business", created_at=clock.now())
        await WorkspaceStore(database).create(workspace)
        yield database


def admission_on(
    database: Database, store: ObjectStore, plans: Plans | None = None
) -> HandMadeAdmission:
    return HandMadeAdmission(
        stores=Stores(database),
        store=store,
        kube=cast(Any, Namespace()),
        plans=plans or load_plans(),
        modes=load_modes(),
        has_job_pods=False,
    )


async def is_stored(store: ObjectStore, key: str) -> bool:
    return await store.size_of(key) is not None


async def test_a_job_in_doubt_has_its_source_when_it_turns_out_to_be_admitted(
    failing: Database, failing_mongod: Mongod, store: ObjectStore
) -> None:
    admission = admission_on(failing, store)
    body = resource((await make_upload(failing, store)).id)

    with (
        failing_mongod.failing("commitTransaction", **NOT_REPLICATED),
        pytest.raises(OutcomeUnknown),
    ):
        await admission.admit(body)

    source = object_keys.source_key(WORKSPACE, body["metadata"]["uid"])
    assert await store.get(source, max_bytes=10**6) == PHOTO
    record = await admission.admit(body)
    assert record is not None
    assert record.source.key == source


async def test_a_job_that_is_refused_leaves_no_source(
    failing: Database, store: ObjectStore
) -> None:
    plans = load_plans()
    full = plans["business"].model_copy(update={"units_per_month": 0})
    admission = admission_on(failing, store, {**plans, "business": full})
    upload = await make_upload(failing, store)

    body = resource(upload.id)
    with pytest.raises(QuotaExhausted):
        await admission.admit(body)

    source = object_keys.source_key(WORKSPACE, body["metadata"]["uid"])
    assert not await is_stored(store, source)


async def test_no_bytes_are_orphaned_while_no_majority_can_be_asked(
    database: Database, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = object_keys.source_key(WORKSPACE, new_job_id())
    await store.put(orphan, PHOTO, content_type="image/png")
    jobs = JobStore(database)

    async def away(_self: JobStore) -> None:
        raise CapacityUnavailable("The job store does not answer.")

    with monkeypatch.context() as patch, pytest.raises(CapacityUnavailable):
        patch.setattr(JobStore, "settle_doubt", away)
        await delete_orphaned_bytes(isolation(), jobs, UploadStore(database), store, grace=LONG_AGO)
    assert await is_stored(store, orphan)

    await delete_orphaned_bytes(isolation(), jobs, UploadStore(database), store, grace=LONG_AGO)
    assert not await is_stored(store, orphan)
