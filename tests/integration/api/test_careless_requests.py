"""Requests that are clear but carelessly written are taken."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from imagerift_core import clock

from tests.integration.api.harness import Answer, Api, Tenant
from tests.support.pictures import encode, picture

GENERATE = "/api/v1/generate"
PICTURE = picture()
GOOD: dict[str, Any] = {"mode": "style", "prompt": "p", "imageBase64": encode(PICTURE)}
OPTIONAL = (
    "preset",
    "exportSize",
    "outputAspect",
    "outputFormat",
    "variations",
    "seed",
    "imageKey",
    "sourceGenerationId",
    "metadata",
    "webhookUrl",
    "deadlineSeconds",
)
FORMS = {
    "URL-safe": base64.urlsafe_b64encode(PICTURE).decode(),
    "unpadded": encode(PICTURE).rstrip("="),
    "wrapped": base64.encodebytes(PICTURE).decode(),
    "wrapped as in mail": base64.encodebytes(PICTURE).decode().replace("\n", "\r\n"),
    "with a final newline": encode(PICTURE) + "\n",
    "DATA:": f"DATA:image/jpeg;BASE64,{encode(PICTURE)}",
}


async def sent(api: Api, tenant: Tenant, body: bytes, **headers: str) -> Answer:
    headers = {**tenant.headers, "Content-Type": "application/json", **headers}
    return await api.call("POST", GENERATE, data=body, headers=headers)


@pytest.mark.parametrize("field", OPTIONAL)
async def test_null_stands_for_absent(api: Api, tenant: Tenant, field: str) -> None:
    answer = await sent(api, tenant, json.dumps({**GOOD, field: None}).encode())

    assert answer.status == 202, answer.body


async def test_null_stands_for_absent_in_a_batch_and_in_metadata(api: Api, tenant: Tenant) -> None:
    first = await sent(api, tenant, json.dumps(GOOD | {"metadata": {"sku": None}}).encode())
    key = first.body["source"]["imageKey"] or await key_of_source(api, first.body["jobId"])
    job = {"mode": "style", "prompt": "p", "imageKey": key, "variations": None, "metadata": None}

    batch = await api.call("POST", "/api/v1/batches", json={"jobs": [job]}, headers=tenant.headers)

    assert (first.status, first.body["metadata"]) == (202, {})
    assert batch.status == 202, batch.body


async def key_of_source(api: Api, job_id: str) -> str:
    record = await api.database.jobs.find_one({"_id": job_id})
    assert record is not None
    key: str = record["source"]["key"]
    return key


async def test_a_byte_order_mark_before_the_body_is_skipped(api: Api, tenant: Tenant) -> None:
    answer = await sent(api, tenant, b"\xef\xbb\xbf" + json.dumps(GOOD).encode())

    assert answer.status == 202, answer.body


async def test_ids_in_upper_case_name_the_same_things(api: Api, tenant: Tenant) -> None:
    job = (await sent(api, tenant, json.dumps(GOOD).encode())).body["jobId"]
    path = f"/api/v1/jobs/{job.upper()}"

    read = await api.call("GET", path, headers=tenant.headers)
    canceled = await api.call("POST", f"{path}/cancel", headers=tenant.headers)
    events = await api.call("GET", f"{path}/events", headers=tenant.headers)
    deleted = await api.call("DELETE", path, headers=tenant.headers)

    assert (read.status, read.body.get("jobId")) == (200, job)
    assert (canceled.status, events.status, deleted.status) == (200, 200, 503)


async def test_an_offset_may_come_unescaped_in_a_query(api: Api, tenant: Tenant) -> None:
    await sent(api, tenant, json.dumps(GOOD).encode())
    before = (clock.now() - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")

    answer = await api.call(
        "GET", f"/api/v1/jobs?createdAfter={before}+00:00", headers=tenant.headers
    )

    assert answer.status == 200, answer.body
    assert len(answer.body["data"]) == 1


async def test_it_is_the_same_request_however_its_values_are_written(
    api: Api, tenant: Tenant
) -> None:
    key = {"Idempotency-Key": "k"}
    first = await sent(api, tenant, json.dumps(GOOD | {"seed": 5, "preset": None}).encode(), **key)
    again = json.dumps(dict(reversed((GOOD | {"seed": 5.0, "variations": None}).items())))
    second = await sent(api, tenant, b"\xef\xbb\xbf" + again.encode(), **key)
    other = await sent(api, tenant, json.dumps(GOOD | {"seed": 6}).encode(), **key)

    assert (first.status, second.status, other.status) == (202, 202, 422)
    assert second.body["jobId"] == first.body["jobId"]


@pytest.mark.parametrize("form", FORMS)
async def test_base64_is_taken_in_every_form(api: Api, tenant: Tenant, form: str) -> None:
    answer = await sent(api, tenant, json.dumps(GOOD | {"imageBase64": FORMS[form]}).encode())

    assert answer.status == 202, answer.body
    (stored,) = await api.stored(tenant)
    assert await api.store.get(stored, max_bytes=len(PICTURE)) == PICTURE


@pytest.mark.parametrize(
    "fields", [{"seed": 5.5}, {"seed": "5"}, {"variations": True}, {"metadata": {"a": 5}}]
)
async def test_what_is_not_clear_is_refused(
    api: Api, tenant: Tenant, fields: dict[str, Any]
) -> None:
    answer = await sent(api, tenant, json.dumps(GOOD | fields).encode())

    assert answer.status == 400
    assert answer.body["param"].split(".")[0] in fields
