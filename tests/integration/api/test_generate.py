"""Submits that are accepted."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from imagerift_core import clock, object_keys
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo.scheduler_snapshot import SchedulerSnapshot, ServedMode

from tests.integration.api.harness import Api, Tenant
from tests.support import job_states
from tests.support.job_records import delivered
from tests.support.pictures import encode, picture


async def record_of(api: Api, job_id: str) -> JobRecord:
    record = await api.stores.jobs.get(job_id)
    assert record is not None
    return record


async def finished_job(api: Api, tenant: Tenant) -> JobRecord:
    """A succeeded job with one output in the bucket."""
    return await finish(api, (await api.generate(tenant)).body["jobId"])


async def finish(api: Api, job_id: str, *, resource_uid: str | None = None) -> JobRecord:
    claimed = await job_states.begin(api.stores.jobs, job_id, resource_uid=resource_uid)
    settlement = delivered(claimed)
    for key in settlement.outputs[0].keys:
        kind = "png" if key.endswith("png") else "webp"
        await api.store.put(key, picture(kind, (80, 60)), content_type=f"image/{kind}")
    await api.stores.settlements.settle([settlement], at=clock.now())
    return await record_of(api, job_id)


async def test_the_answer_has_every_key_of_the_published_sample(api: Api, tenant: Tenant) -> None:
    answer = await api.generate(tenant)

    assert answer.status == 202
    job = answer.body
    assert str(uuid.UUID(job["jobId"])) == job["jobId"]
    assert job["status"] == "queued"
    assert job["statusUrl"] == f"/api/v1/jobs/{job['jobId']}"
    assert job["requestId"].startswith("req_")
    assert (
        job["quota"].items()
        >= {
            "source": "plan",
            "scope": "team",
            "remaining": 1000,
            "charged": False,
            "remainingAfterQueue": 1000,
            "chargedOnSuccess": True,
        }.items()
    )
    assert job["rateLimit"] == {"remainingThisMinute": 99_999}


async def test_the_answer_says_where_and_when_to_ask_again(api: Api, tenant: Tenant) -> None:
    answer = await api.generate(tenant)

    assert answer.headers["Location"] == answer.body["statusUrl"]
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["X-Request-Id"] == answer.body["requestId"]
    assert answer.headers["RateLimit-Policy"] == '"requests";q=100000;w=60'
    assert answer.headers["RateLimit"].startswith('"requests";r=99999;t=')


async def test_acceptance_stores_source_record_and_reservation(api: Api, tenant: Tenant) -> None:
    photo = picture("PNG", (120, 90))

    answer = await api.generate(tenant, imageBase64=encode(photo), variations=3, seed=5)

    record = await record_of(api, answer.body["jobId"])
    assert await api.stored(tenant) == [record.source.key]
    assert await api.store.get(record.source.key, max_bytes=10**7) == photo
    assert record.source.key == object_keys.source_key(tenant.workspace, record.id)
    assert (record.source.width, record.source.height) == (120, 90)
    assert record.source.sha256 == hashlib.sha256(photo).hexdigest()
    assert record.status is Status.QUEUED
    assert (record.spec.variations, record.spec.seed) == (3, 5)
    assert record.band == tenant.plan.band
    assert record.deadline_at is not None
    assert (record.deadline_at - record.created_at).total_seconds() == 3600
    assert await api.counted(tenant) == (0, 3)


async def test_a_photo_of_many_megabytes_is_taken(api: Api, tenant: Tenant) -> None:
    photo = picture("PNG", (2400, 2400))
    assert len(photo) > 10_000_000

    answer = await api.generate(tenant, imageBase64=encode(photo))

    assert answer.status == 202
    assert (await record_of(api, answer.body["jobId"])).source.size_bytes == len(photo)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_a_data_url_is_taken_as_well(api: Api, tenant: Tenant, kind: str) -> None:
    url = f"data:image/{kind.lower()};base64,{encode(picture(kind))}"

    answer = await api.generate(tenant, imageBase64=url)

    assert answer.status == 202


async def test_a_valid_traceparent_goes_with_the_job(api: Api, tenant: Tenant) -> None:
    mine = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    body = {"mode": "style", "prompt": "p", "imageBase64": encode(picture())}

    answer = await api.call(
        "POST", "/api/v1/generate", json=body, headers=tenant.headers | {"traceparent": mine}
    )

    assert (await record_of(api, answer.body["jobId"])).traceparent == mine


async def test_a_source_can_be_used_again_by_its_key(api: Api, tenant: Tenant) -> None:
    first = (await api.generate(tenant)).body

    answer = await api.generate(tenant, imageBase64=None, imageKey=first["source"]["imageKey"])

    assert answer.status == 202
    again = await record_of(api, answer.body["jobId"])
    before = await record_of(api, first["jobId"])
    assert again.source.key != before.source.key
    assert again.source.sha256 == before.source.sha256


@pytest.mark.parametrize("by", ["generationId", "jobId"])
async def test_an_output_can_be_the_source_of_a_new_job(api: Api, tenant: Tenant, by: str) -> None:
    done = await finished_job(api, tenant)
    name = done.outputs[0].generation_id if by == "generationId" else done.id

    answer = await api.generate(tenant, imageBase64=None, sourceGenerationId=name)

    assert answer.status == 202
    record = await record_of(api, answer.body["jobId"])
    assert (record.source.width, record.source.height) == (80, 60)


async def test_a_succeeded_job_shows_a_url_that_downloads_the_picture(
    api: Api, tenant: Tenant
) -> None:
    done = await finished_job(api, tenant)

    answer = await api.call("GET", f"/api/v1/jobs/{done.id}", headers=tenant.headers)

    job = answer.body
    assert job["status"] == "succeeded"
    assert job["quota"]["charged"] is True
    assert job["quota"]["remaining"] == 999
    assert job["downloadUrl"] == job["outputs"][0]["downloadUrl"]
    assert job["downloadUrl"].startswith(api.settings.s3_public_url)
    assert job["outputs"][0]["downloadUrlExpiresAt"] is not None
    assert "Retry-After" not in answer.headers
    async with api.http.get(job["downloadUrl"]) as download:
        assert download.status == 200
        assert (await download.read()).startswith(b"\x89PNG")
    assert job["thumbnailUrl"] == job["outputs"][0]["thumbnailUrl"]
    assert job["thumbnailUrl"].startswith(api.settings.s3_public_url)
    async with api.http.get(job["thumbnailUrl"]) as download:
        assert (await download.read())[8:12] == b"WEBP"


async def test_a_mask_is_kept_as_the_job_s_own_and_can_be_used_again(
    api: Api, tenant: Tenant
) -> None:
    matte = picture("PNG", (80, 60))
    source = encode(picture("JPEG", (800, 600)))

    first = await api.generate(tenant, imageBase64=source, maskBase64=encode(matte))
    again = await api.generate(
        tenant, imageBase64=source, maskKey=first.body["mask"]["imageKey"], onUnclearSubject="fail"
    )

    assert (first.status, again.status) == (202, 202)
    assert (first.body["onUnclearSubject"], again.body["onUnclearSubject"]) == ("grade", "fail")
    for answer in (first, again):
        record = await record_of(api, answer.body["jobId"])
        assert record.mask is not None
        assert record.mask.key == object_keys.mask_key(tenant.workspace, record.id)
        assert await api.store.get(record.mask.key, max_bytes=10**6) == matte
    assert record.spec.on_unclear_subject == "fail"


CUTOUT = {"mode": "cutout", "prompt": None, "preset": None}


async def test_a_cutout_is_asked_for_with_options_that_the_job_shows(
    api: Api, tenant: Tenant
) -> None:
    options = {"background": "#FFffff", "fill": 1, "shadow": "drop", "width": 640.0, "height": 480}

    answer = await api.generate(
        tenant, **CUTOUT, cutout=options, outputFormat="avif", onUnclearSubject="cut"
    )

    assert answer.status == 202, answer.body
    assert answer.body["cutout"] == options | {"padding": None, "align": None}
    assert answer.body["quota"]["units"] == 1
    record = await record_of(api, answer.body["jobId"])
    assert record.spec.cutout is not None and record.spec.cutout.width == 640
    # No version that knows no cut-outs may run it.
    assert record.schema_version == 2
    plain = await api.generate(tenant, **CUTOUT)
    assert (plain.status, plain.body["cutout"]) == (202, None)
    modes = (await api.call("GET", "/api/v1/modes", headers=tenant.headers)).body["data"]
    schemas = {mode["mode"]: mode["cutoutOptions"] for mode in modes}
    assert [name for name, schema in schemas.items() if schema is not None] == ["cutout"]
    assert set(options) < set(schemas["cutout"]["properties"])


@pytest.mark.parametrize(
    ("fields", "param", "told"),
    [
        ({"cutout": {"padding": 0.5}}, "cutout.padding", "0.45"),
        ({"cutout": {"fill": 0.01}}, "cutout.fill", "0.1"),
        ({"cutout": {"width": 5000, "height": 500}}, "cutout.width", "4096"),
        ({"cutout": {"width": 2000, "height": 500}}, "cutout.width", "at most 1024"),
        ({"cutout": {"width": 500}}, "cutout.height", "come together"),
        ({"cutout": {"background": "white"}}, "cutout.background", "#"),
        ({"cutout": {"blur": 1}}, "cutout.blur", ""),
        ({"mode": "style", "prompt": "p", "cutout": {}}, "cutout", "mode 'style'"),
        ({"outputFormat": "jpeg"}, "outputFormat", "transparent"),
        ({"variations": 2}, "variations", "at most 1"),
    ],
)
async def test_a_cutout_s_refusal_names_the_option_and_its_limit(
    api: Api, tenant: Tenant, fields: dict[str, Any], param: str, told: str
) -> None:
    answer = await api.generate(tenant, **(CUTOUT | fields))

    assert (answer.status, answer.body["param"]) == (400, param), answer.body
    assert told in answer.body["detail"]
    assert await api.counted(tenant) == (0, 0)


async def test_a_foreign_key_and_a_lost_source_are_not_found(api: Api, tenant: Tenant) -> None:
    foreign = (await api.generate(await api.tenant())).body
    lost = await finished_job(api, tenant)
    await api.store.delete([lost.outputs[0].key])
    stored, counted = await api.stored(tenant), await api.counted(tenant)
    cases = [
        {"imageKey": foreign["source"]["imageKey"]},
        {"imageKey": f"workspaces/{tenant.workspace}/jobs/{foreign['jobId']}/source"},
        {"imageKey": lost.source.key + "x"},
        {"imageKey": "img_unknown"},
        {"imageKey": lost.outputs[0].key},
        {"maskKey": "img_unknown", "imageKey": lost.source.key},
        {"sourceGenerationId": foreign["jobId"]},
        {"sourceGenerationId": lost.outputs[0].generation_id},
        {"sourceGenerationId": "../../etc"},
    ]

    for case in cases:
        answer = await api.generate(tenant, imageBase64=None, **case)

        assert (answer.status, answer.body["code"]) == (404, "source_not_found"), case
        assert answer.body["param"] == next(iter(case))

    assert await api.stored(tenant) == stored
    assert await api.counted(tenant) == counted


async def test_references_are_copied_shown_and_told_to_no_older_version(
    api: Api, tenant: Tenant
) -> None:
    first = await record_of(api, (await api.generate(tenant)).body["jobId"])
    keys = [first.source.key, first.source.key]

    answer = await api.generate(tenant, mode="scene", prompt="on a quay", referenceKeys=keys)

    assert answer.status == 202, answer.body
    record = await record_of(api, answer.body["jobId"])
    prefix = record.source.key.removesuffix("source")
    assert [each.key for each in record.references] == [f"{prefix}reference-{n}" for n in (0, 1)]
    assert answer.body["references"] == [{"imageKey": each.key} for each in record.references]
    assert set(record.kept_keys) <= set(await api.stored(tenant))
    assert record.schema_version == 4
    again = await api.generate(tenant, mode="scene", referenceKeys=[record.references[0].key])
    assert again.status == 202


@pytest.mark.parametrize("name", ["foreign", "unknown"])
async def test_a_reference_that_is_nobody_s_own_is_not_found_and_nothing_stays(
    api: Api, tenant: Tenant, name: str
) -> None:
    other = await api.tenant()
    foreign = await record_of(api, (await api.generate(other)).body["jobId"])
    key = foreign.source.key if name == "foreign" else "img_unknown"

    answer = await api.generate(tenant, mode="scene", prompt="p", referenceKeys=[key])

    assert (answer.status, answer.body["code"]) == (404, "source_not_found")
    assert answer.body["param"] == "referenceKeys.0"
    assert await api.stored(tenant) == []


async def test_more_references_than_a_mode_takes_are_refused(api: Api, tenant: Tenant) -> None:
    for mode, most in (("style", "left out"), ("scene", "")):
        keys = ["img_a"] * (1 if mode == "style" else 4)
        answer = await api.generate(tenant, mode=mode, prompt="p", referenceKeys=keys)
        assert (answer.status, answer.body["param"]) == (400, "referenceKeys")
        assert most in answer.body["detail"]


@pytest.fixture
async def served(api: Api, tenant: Tenant) -> AsyncIterator[None]:
    """A pool that serves `generate` in one aspect; afterwards there is none."""

    async def told(**modes: ServedMode) -> None:
        shard = api.settings.namespace
        snapshot = SchedulerSnapshot(_id=shard, at=clock.now(), modes=modes)
        await api.stores.snapshots.write(snapshot)
        end = time.monotonic() + 100
        offered = await modes_of(api, tenant)
        while ("generate" in offered) != bool(modes) and time.monotonic() < end:
            await asyncio.sleep(0.05)
            offered = await modes_of(api, tenant)

    await told(generate=ServedMode(one_aspect=True))
    yield
    await told()


async def modes_of(api: Api, tenant: Tenant) -> dict[str, Any]:
    answer = await api.call("GET", "/api/v1/modes", headers=tenant.headers)
    return {mode["mode"]: mode for mode in answer.body["data"]}


BY_WORDS: dict[str, Any] = {"mode": "generate", "prompt": "a quay", "imageBase64": None}


async def test_a_mode_that_needs_a_pool_is_refused_without_one(api: Api, tenant: Tenant) -> None:
    assert not {"generate", "edit"} & set(await modes_of(api, tenant))
    refused = await api.generate(tenant, **BY_WORDS)
    assert (refused.status, refused.body["param"]) == (400, "mode")


@pytest.mark.usefixtures("served")
async def test_a_mode_that_looks_at_no_picture_takes_none(api: Api, tenant: Tenant) -> None:
    told = (await modes_of(api, tenant))["generate"]
    assert (told["takesSource"], told["oneAspect"], told["maxReferences"]) == (False, True, 0)
    answer = await api.generate(tenant, **BY_WORDS)
    assert answer.status == 202, answer.body
    record = await record_of(api, answer.body["jobId"])
    assert (record.source.width, record.source.height) == (16, 16)
    refused = await api.generate(tenant, mode="generate", prompt="p")
    assert (refused.status, refused.body["param"]) == (400, "imageBase64")


@pytest.mark.usefixtures("served")
async def test_several_aspects_are_refused_where_each_would_be_another_picture(
    api: Api, tenant: Tenant
) -> None:
    shapes = [{"aspect": "1:1"}, {"aspect": "9:16"}]
    refused = await api.generate(tenant, **BY_WORDS, outputs=shapes)
    assert (refused.status, refused.body["param"]) == (400, "outputs")
    same = [{"aspect": "1:1"}, {"aspect": "1:1", "size": "2k"}]
    assert (await api.generate(tenant, **BY_WORDS, outputs=same)).status == 202
