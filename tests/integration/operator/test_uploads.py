"""Uploads as the operator sees them: sources of hand-made resources, and swept when unused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from imagerift_core import clock, object_keys
from imagerift_core.errors import PayloadTooLarge, SourceNotFound
from imagerift_core.ids import new_job_id, new_upload_id
from imagerift_core.images import MAX_IMAGE_BYTES
from imagerift_core.modes import load_modes
from imagerift_core.mongo import Database, Stores
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.uploads import Upload, UploadStore
from imagerift_core.mongo.workspaces import Workspace, WorkspaceStore
from imagerift_core.plans import load_plans
from imagerift_core.s3 import ObjectStore
from imagerift_operator.admission import HandMadeAdmission
from imagerift_operator.sweeps.storage import delete_expired_uploads, delete_orphaned_bytes

from tests.support.pictures import picture
from tests.unit.operator.builders import isolation

PHOTO = picture("PNG", (60, 40))
WORKSPACE = "ws_uploads"


class Namespace:
    """The annotations of a namespace that is bound to the workspace."""

    async def namespace_annotations(self) -> dict[str, str]:
        return {"imagerift.dev/workspaces": WORKSPACE}


async def make_upload(
    database: Database,
    store: ObjectStore,
    *,
    workspace: str = WORKSPACE,
    data: bytes | None = PHOTO,
    expires_at: datetime | None = None,
) -> Upload:
    identifier = new_upload_id()
    upload = Upload(
        _id=identifier,
        workspace=workspace,
        namespace="imagerift",
        key=object_keys.upload_key(workspace, identifier),
        content_type="image/png",
        size_bytes=len(PHOTO),
        created_at=clock.now(),
        expires_at=expires_at or clock.now() + timedelta(hours=1),
    )
    await UploadStore(database).create(upload, limit=None)
    if data is not None:
        await store.put(upload.key, data, content_type="image/png")
    return upload


@pytest.fixture
async def admission(database: Database, store: ObjectStore) -> HandMadeAdmission:
    workspace = Workspace(_id=WORKSPACE, name="test", plan="business", created_at=clock.now())
    await WorkspaceStore(database).create(workspace)
    return HandMadeAdmission(
        stores=Stores(database),
        store=store,
        kube=cast(Any, Namespace()),
        plans=load_plans(),
        modes=load_modes(),
        has_job_pods=False,
    )


def resource(key: str) -> dict[str, Any]:
    name = new_job_id()
    return {
        "metadata": {"name": name, "namespace": "imagerift", "uid": name},
        "spec": {"mode": "style", "prompt": "p", "workspace": WORKSPACE, "source": {"key": key}},
    }


async def test_a_hand_made_job_may_name_an_upload_and_gets_its_own_copy(
    database: Database, store: ObjectStore, admission: HandMadeAdmission
) -> None:
    upload = await make_upload(database, store)

    record = await admission.admit(resource(upload.id))

    assert record is not None
    assert record.source.image_key == upload.id
    assert record.source.size_bytes == len(PHOTO)
    assert record.source.key == object_keys.source_key(WORKSPACE, record.id)
    assert await store.get(record.source.key, max_bytes=10**6) == PHOTO
    kept = await UploadStore(database).get(
        upload.id, workspace=WORKSPACE, at=clock.now() + timedelta(days=300)
    )
    assert kept is not None


async def test_a_hand_made_job_gets_its_own_copy_of_its_mask(
    database: Database, store: ObjectStore, admission: HandMadeAdmission
) -> None:
    upload = await make_upload(database, store)
    body = resource(upload.id)
    body["spec"] |= {"mask": {"key": upload.id}, "onUnclearSubject": "fail"}

    record = await admission.admit(body)

    assert record is not None and record.mask is not None
    assert record.spec.on_unclear_subject == "fail"
    assert record.mask.key == object_keys.mask_key(WORKSPACE, record.id)
    assert await store.get(record.mask.key, max_bytes=10**6) == PHOTO


async def test_a_mask_that_is_not_there_is_named(
    database: Database, store: ObjectStore, admission: HandMadeAdmission
) -> None:
    upload = await make_upload(database, store)
    body = resource(upload.id)
    body["spec"] |= {"mask": {"key": new_upload_id()}}

    with pytest.raises(SourceNotFound) as refusal:
        await admission.admit(body)

    assert refusal.value.param == "mask.key"


@pytest.mark.parametrize("case", ["foreign", "expired", "unknown", "empty"])
async def test_any_other_upload_is_not_found(
    database: Database, store: ObjectStore, admission: HandMadeAdmission, case: str
) -> None:
    made = {
        "foreign": {"workspace": "ws_other"},
        "expired": {"expires_at": clock.now()},
        "empty": {"data": None},
        "unknown": {},
    }
    upload = await make_upload(database, store, **cast(Any, made[case]))
    key = new_upload_id() if case == "unknown" else upload.id
    body = resource(key)

    with pytest.raises(SourceNotFound):
        await admission.admit(body)

    prefix = object_keys.job_prefix(WORKSPACE, body["metadata"]["uid"])
    assert [item async for item in store.list_objects(prefix)] == []


async def test_an_upload_over_the_limit_is_refused_and_not_kept(
    database: Database, store: ObjectStore, admission: HandMadeAdmission
) -> None:
    upload = await make_upload(database, store, data=bytes(MAX_IMAGE_BYTES + 1))
    body = resource(upload.id)

    with pytest.raises(PayloadTooLarge):
        await admission.admit(body)

    prefix = object_keys.job_prefix(WORKSPACE, body["metadata"]["uid"])
    assert [item async for item in store.list_objects(prefix)] == []


async def test_only_expired_uploads_of_the_shard_are_swept(
    database: Database, store: ObjectStore
) -> None:
    expired = await make_upload(database, store, expires_at=clock.now())
    lasting = await make_upload(database, store)

    await delete_expired_uploads(isolation(), UploadStore(database), store, namespace="imagerift")
    await delete_expired_uploads(isolation(), UploadStore(database), store, namespace="imagerift")

    assert await store.get(expired.key, max_bytes=10**6) is None
    assert await store.get(lasting.key, max_bytes=10**6) == PHOTO
    assert [row["_id"] async for row in database.uploads.find()] == [lasting.id]


async def test_an_upload_without_a_row_is_swept_once_no_form_can_be_under_way(
    database: Database, store: ObjectStore
) -> None:
    lost, expired, lasting = [
        await make_upload(database, store, expires_at=clock.now() + timedelta(hours=hours))
        for hours in (1, -1, 1)
    ]
    await database.uploads.delete_one({"_id": lost.id})
    other = object_keys.workspace_prefix(WORKSPACE) + "later/thing"
    await store.put(other, PHOTO, content_type="image/png")
    kept = {expired.key, lasting.key, other}

    async def swept(grace: timedelta) -> set[str]:
        """What a sweep leaves, to which all was written so much longer ago."""
        await delete_orphaned_bytes(
            isolation(), JobStore(database), UploadStore(database), store, grace=-grace
        )
        left = {item.key async for item in store.list_objects("workspaces/")}
        return left & (kept | {lost.key})

    assert await swept(timedelta(hours=24)) == kept | {lost.key}
    assert await swept(timedelta(hours=25, minutes=1)) == kept
