"""Uploads: a form that takes one picture within its bounds, and jobs that get copies of it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from imagerift_core import clock

from tests.integration.api.harness import Answer, Api, Tenant
from tests.support.pictures import picture

PHOTO = picture("PNG", (60, 40))


async def make(api: Api, tenant: Tenant, key: str | None = None, **fields: Any) -> Answer:
    body = {"sizeBytes": len(PHOTO), "contentType": "image/png"} | fields
    headers = tenant.headers | ({"Idempotency-Key": key} if key else {})
    return await api.call("POST", "/api/v1/uploads", json=body, headers=headers)


async def send(place: dict[str, Any], data: bytes, **fields: str) -> int:
    """POSTs the form with a file, as somebody who holds nothing else."""
    form = aiohttp.FormData()
    for name, value in (place["fields"] | fields).items():
        form.add_field(name, value)
    form.add_field("file", data, filename="a.png", content_type="image/png")
    async with aiohttp.ClientSession() as http, http.post(place["url"], data=form) as answer:
        return answer.status


async def uploaded(api: Api, tenant: Tenant, data: bytes = PHOTO) -> str:
    place = (await make(api, tenant, sizeBytes=len(data))).body
    assert await send(place, data) in {200, 204}
    return str(place["imageKey"])


async def submit(api: Api, tenant: Tenant, image_key: str) -> Answer:
    return await api.generate(tenant, imageBase64=None, imageKey=image_key)


async def test_a_place_says_how_to_fill_it(api: Api, tenant: Tenant) -> None:
    answer = await make(api, tenant)

    assert answer.status == 201
    assert set(answer.body) == {"imageKey", "url", "fields", "expiresAt", "maxBytes"}
    assert answer.body["imageKey"].startswith("img_")
    assert answer.body["url"].startswith(api.settings.s3_public_url)
    assert answer.body["maxBytes"] == len(PHOTO)
    assert answer.body["expiresAt"] > clock.rfc3339(clock.now())
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_job_by_upload_has_a_checked_copy_of_its_own(api: Api, tenant: Tenant) -> None:
    image_key = await uploaded(api, tenant)

    answer = await submit(api, tenant, image_key)

    assert answer.status == 202, answer.body
    record = await api.stores.jobs.get(answer.body["jobId"])
    assert record is not None
    assert record.source.image_key == image_key
    assert (record.source.width, record.source.height) == (60, 40)
    assert await api.store.get(record.source.key, max_bytes=10**6) == PHOTO


async def test_what_is_uploaded_later_changes_no_job(api: Api, tenant: Tenant) -> None:
    place = (await make(api, tenant, sizeBytes=10**6)).body
    await send(place, PHOTO)
    job = (await submit(api, tenant, place["imageKey"])).body
    await send(place, b"no picture at all")

    record = await api.stores.jobs.get(job["jobId"])

    assert record is not None
    assert await api.store.get(record.source.key, max_bytes=10**6) == PHOTO
    refused = await submit(api, tenant, place["imageKey"])
    assert (refused.status, refused.body["code"]) == (415, "unsupported_image")
    assert refused.body["param"] == "imageKey"


async def test_the_form_takes_no_more_bytes_and_no_other_key_or_type(
    api: Api, tenant: Tenant
) -> None:
    place = (await make(api, tenant)).body

    assert await send(place, PHOTO + b"x") >= 400
    assert await send(place, PHOTO, key=f"workspaces/{tenant.workspace}/jobs/x/source") >= 400
    assert await send(place, PHOTO, **{"Content-Type": "text/html"}) >= 400
    assert await api.stored(tenant) == []


async def test_nothing_uploaded_yet_is_no_source(api: Api, tenant: Tenant) -> None:
    image_key = (await make(api, tenant)).body["imageKey"]

    answer = await submit(api, tenant, image_key)

    assert (answer.status, answer.body["code"]) == (404, "source_not_found")
    assert await api.stored(tenant) == []


async def test_another_workspaces_upload_is_not_found(api: Api, tenant: Tenant) -> None:
    foreign = await uploaded(api, await api.tenant())

    for image_key in (foreign, "img_", "img_00000000000000000000"):
        answer = await submit(api, tenant, image_key)
        assert (answer.status, answer.body["code"]) == (404, "source_not_found")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"sizeBytes": 0}, "sizeBytes"),
        ({"sizeBytes": 20 * 1024 * 1024 + 1}, "sizeBytes"),
        ({"sizeBytes": "5"}, "sizeBytes"),
        ({"contentType": "image/svg+xml"}, "contentType"),
        ({"fileName": "a.png"}, "fileName"),
    ],
)
async def test_what_cannot_be_a_source_gets_no_place(
    api: Api, tenant: Tenant, fields: dict[str, Any], param: str
) -> None:
    answer = await make(api, tenant, **fields)

    assert (answer.status, answer.body["param"]) == (400, param)


async def test_a_key_without_the_scope_gets_no_place(api: Api) -> None:
    answer = await make(api, await api.tenant(scopes=("jobs:write",)))

    assert (answer.status, answer.body["code"]) == (403, "insufficient_scope")


async def test_the_same_request_again_gets_the_same_place(api: Api, tenant: Tenant) -> None:
    first, *others = await asyncio.gather(*(make(api, tenant, "k") for _ in range(8)))
    reused = await make(api, tenant, "k", sizeBytes=5)

    places = [first, *others]
    assert {place.status for place in places} == {201}
    assert len({place.body["imageKey"] for place in places}) == 1
    assert sum("Idempotent-Replayed" not in place.headers for place in places) == 1
    assert (reused.status, reused.body["code"]) == (422, "idempotency_key_reused")
    assert await api.database.uploads.count_documents({"workspace": tenant.workspace}) == 1


async def test_an_upload_that_was_used_outlives_one_that_was_not(api: Api, tenant: Tenant) -> None:
    used, unused = await uploaded(api, tenant), await uploaded(api, tenant)
    await submit(api, tenant, used)
    later = clock.now() + (await _lifetime(api, tenant, unused))

    assert await api.stores.uploads.get(unused, workspace=tenant.workspace, at=later) is None
    assert await api.stores.uploads.get(used, workspace=tenant.workspace, at=later) is not None


async def _lifetime(api: Api, tenant: Tenant, image_key: str) -> Any:
    upload = await api.stores.uploads.get(image_key, workspace=tenant.workspace, at=clock.now())
    assert upload is not None
    return upload.expires_at - upload.created_at
