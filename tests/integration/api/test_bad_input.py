"""Submits that are refused: what the answer says, and that nothing is left of them."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import Any

import psutil
import pytest

from tests.integration.api.harness import Answer, Api, Tenant
from tests.support.pictures import animation, encode, huge_png, picture

PROBLEM_MEMBERS = {
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "param",
    "errors",
    "requestId",
    "retryable",
}

BadField = tuple[dict[str, Any], int, str, str, str]
BAD_FIELDS: dict[str, BadField] = {
    "unknown field": ({"colour": "red"}, 400, "invalid_request", "colour", "Unknown field"),
    "no source": ({"imageBase64": None}, 400, "invalid_request", "imageBase64", "exactly one"),
    "two sources": ({"imageKey": "k"}, 400, "invalid_request", "imageBase64", "exactly one"),
    "wrong base64": ({"imageBase64": "@@@@"}, 400, "invalid_request", "imageBase64", "base64"),
    "base64 that is cut off": (
        {"imageBase64": "abcde"},
        400,
        "invalid_request",
        "imageBase64",
        "base64",
    ),
    "base64 of both alphabets": (
        {"imageBase64": "+-/_"},
        400,
        "invalid_request",
        "imageBase64",
        "alphabets",
    ),
    "base64 with a space": (
        {"imageBase64": "QU JD"},
        400,
        "invalid_request",
        "imageBase64",
        "space",
    ),
    "empty base64": ({"imageBase64": ""}, 400, "invalid_request", "imageBase64", "empty"),
    "a data URL that is not base64": (
        {"imageBase64": "data:image/png,abc"},
        400,
        "invalid_request",
        "imageBase64",
        "data URL",
    ),
    "base64 that is no text": ({"imageBase64": 5}, 400, "invalid_request", "imageBase64", "string"),
    "a PDF named as image": (
        {"imageBase64": f"data:image/png;base64,{encode(b'%PDF-1.7 ' + bytes(500))}"},
        415,
        "unsupported_image",
        "imageBase64",
        "JPEG, PNG, WebP",
    ),
    "an ICO": (
        {"imageBase64": encode(picture("ICO"))},
        415,
        "unsupported_image",
        "imageBase64",
        "JPEG, PNG, WebP",
    ),
    "two masks": (
        {"maskBase64": encode(picture("PNG")), "maskKey": "k"},
        400,
        "invalid_request",
        "maskBase64",
        "at most one",
    ),
    "a mask that is no picture": (
        {"maskBase64": encode(b"x")},
        415,
        "unsupported_image",
        "maskBase64",
        "JPEG, PNG, WebP",
    ),
    "a mask of other proportions": (
        {
            "imageBase64": encode(picture("PNG", (64, 48))),
            "maskBase64": encode(picture("PNG", (64, 64))),
        },
        400,
        "invalid_request",
        "maskBase64",
        "64 x 64 pixels, the source 64 x 48",
    ),
    "an unknown way with an unclear subject": (
        {"onUnclearSubject": "guess"},
        400,
        "invalid_request",
        "onUnclearSubject",
        "'grade', 'cut' or 'fail'",
    ),
    "a 1-byte file": (
        {"imageBase64": encode(b"x")},
        415,
        "unsupported_image",
        "imageBase64",
        "JPEG, PNG, WebP",
    ),
    "an animated WebP": (
        {"imageBase64": encode(animation("WEBP"))},
        415,
        "unsupported_image",
        "imageBase64",
        "one frame",
    ),
    "an animated PNG": (
        {"imageBase64": encode(animation("PNG"))},
        415,
        "unsupported_image",
        "imageBase64",
        "one frame",
    ),
    "an image of too many pixels": (
        {"imageBase64": encode(huge_png())},
        422,
        "image_too_large",
        "imageBase64",
        "50 megapixels",
    ),
    "an image of one row too many": (
        {"imageBase64": encode(huge_png(10_000, 5_001))},
        422,
        "image_too_large",
        "imageBase64",
        "50 megapixels",
    ),
    "an image of 15 rows": (
        {"imageBase64": encode(picture("JPEG", (8000, 15)))},
        422,
        "image_unreadable",
        "imageBase64",
        "at least 16",
    ),
    "an image of 20 MiB and a byte": (
        {"imageBase64": encode(bytes(20 * 1024 * 1024 + 1))},
        413,
        "payload_too_large",
        "imageBase64",
        "20 MiB",
    ),
    "a prompt of 2,001 characters": (
        {"prompt": "x" * 2001},
        400,
        "invalid_request",
        "prompt",
        "2000",
    ),
    "no prompt": ({"prompt": None}, 400, "invalid_request", "prompt", "required"),
    "a blank prompt": ({"prompt": "  "}, 400, "invalid_request", "prompt", "required"),
    "a prompt that nobody can see": (
        {"prompt": "\u200b\u3164\ufe0f"},
        400,
        "invalid_request",
        "prompt",
        "required",
    ),
    "no mode": ({"mode": None}, 400, "invalid_request", "mode", "required"),
    "an unknown mode": ({"mode": "paint"}, 400, "invalid_request", "mode", "style"),
    "an unknown preset": ({"preset": "nope"}, 400, "invalid_request", "preset", "studio"),
    "no variations": ({"variations": 0}, 400, "invalid_request", "variations", "1"),
    "nine variations": ({"variations": 9}, 400, "invalid_request", "variations", "8"),
    "a number as text": ({"variations": "2"}, 400, "invalid_request", "variations", "integer"),
    "a seed of 2^32": ({"seed": 2**32}, 400, "invalid_request", "seed", "4294967295"),
    "variations that would all be the same": (
        {"mode": "enhance", "preset": None, "variations": 2},
        400,
        "invalid_request",
        "variations",
        "at most 1 for mode 'enhance'",
    ),
    "an unknown size": ({"exportSize": "8k"}, 400, "invalid_request", "exportSize", "4k"),
    "an unknown aspect": ({"outputAspect": "5:1"}, 400, "invalid_request", "outputAspect", "16:9"),
    "an unknown format": ({"outputFormat": "gif"}, 400, "invalid_request", "outputFormat", "png"),
    "too short a deadline": (
        {"deadlineSeconds": 9},
        400,
        "invalid_request",
        "deadlineSeconds",
        "10",
    ),
    "too much metadata": (
        {"metadata": {str(n): "" for n in range(17)}},
        400,
        "invalid_request",
        "metadata",
        "16",
    ),
}
TRUNCATED: dict[str, BadField] = {
    f"a truncated {kind}": (
        {"imageBase64": encode(data[: len(data) // 2])},
        422,
        "image_unreadable",
        "imageBase64",
        "cut off",
    )
    for kind in ("JPEG", "PNG", "WEBP")
    for data in [picture(kind, (300, 200))]
}
BAD_FIELDS |= TRUNCATED

BAD_BODIES = {
    "nothing": b"",
    "not JSON": b"{'mode': 'style'}",
    "half of a JSON object": b'{"mode": "style"',
    "a list": b"[]",
    "text that is not UTF-8": b'{"mode": "\xff"}',
    "a number that JSON does not have": b'{"seed": NaN}',
}


async def assert_nothing_is_left(api: Api, tenant: Tenant) -> None:
    assert await api.stored(tenant) == []
    assert await api.counted(tenant) == (0, 0)
    assert await api.jobs_of(tenant) == 0


def assert_problem(answer: Answer, status: int, code: str) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body.keys() >= PROBLEM_MEMBERS
    assert answer.body["code"] == code
    assert answer.body["status"] == status
    assert answer.body["requestId"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("name", BAD_FIELDS)
async def test_a_bad_field_is_refused_and_leaves_nothing(
    api: Api, tenant: Tenant, name: str
) -> None:
    fields, status, code, param, limit = BAD_FIELDS[name]

    answer = await api.generate(tenant, **fields)

    assert_problem(answer, status, code)
    assert answer.body["param"] == param
    assert answer.body["errors"][0]["param"] == param
    assert limit in answer.body["detail"]
    await assert_nothing_is_left(api, tenant)


@pytest.mark.parametrize("name", BAD_BODIES)
async def test_a_body_that_is_no_object_is_refused(api: Api, tenant: Tenant, name: str) -> None:
    answer = await api.call(
        "POST", "/api/v1/generate", data=BAD_BODIES[name], headers=tenant.headers
    )

    assert_problem(answer, 400, "invalid_request")
    assert "JSON" in answer.body["detail"]
    await assert_nothing_is_left(api, tenant)


async def test_every_fault_is_listed_at_once(api: Api, tenant: Tenant) -> None:
    answer = await api.generate(tenant, variations=9, seed=-1, colour="red", imageKey="k")

    params = {fault["param"] for fault in answer.body["errors"]}
    assert params == {"variations", "seed", "colour", "imageBase64", "imageKey"}


async def test_an_export_above_the_plan_is_refused(api: Api) -> None:
    tenant = await api.tenant("pro")
    answer = await api.generate(tenant, exportSize="4k")
    assert_problem(answer, 403, "export_not_permitted")
    assert answer.body["param"] == "exportSize"
    await assert_nothing_is_left(api, tenant)


async def test_a_body_of_30_mb_is_refused_before_it_was_sent(api: Api, tenant: Tenant) -> None:
    host, port = api.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /api/v1/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n"
        + f"Authorization: Bearer {tenant.token}\r\n\r\n".encode()
        + b"{" * 100_000
    )

    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)

    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in head
    assert b"payload_too_large" in await reader.readuntil(b"}")
    writer.close()
    await assert_nothing_is_left(api, tenant)


async def test_a_30_mb_body_sent_whole_still_gets_its_answer(api: Api, tenant: Tenant) -> None:
    answer = await api.call(
        "POST", "/api/v1/generate", data=io.BytesIO(bytes(30_000_000)), headers=tenant.headers
    )

    assert_problem(answer, 413, "payload_too_large")
    assert "28 MiB" in answer.body["detail"]


async def test_a_body_without_a_length_is_cut_off_at_the_limit(api: Api, tenant: Tenant) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1_000_000
            yield bytes(1_000_000)

    try:
        answer = await api.call("POST", "/api/v1/generate", data=endless(), headers=tenant.headers)
    except OSError:
        pass  # closed while it went on sending; what matters is that it was not read on
    else:
        assert_problem(answer, 413, "payload_too_large")
    assert sent < 1_000_000_000
    await assert_nothing_is_left(api, tenant)


async def test_who_asks_before_sending_is_refused_without_an_invitation(
    api: Api, tenant: Tenant
) -> None:
    host, port = api.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /api/v1/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n"
        b"Expect: 100-continue\r\n" + f"Authorization: Bearer {tenant.token}\r\n\r\n".encode()
    )

    line = await asyncio.wait_for(reader.readline(), 5)

    assert line.startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_who_asks_before_sending_a_good_body_is_invited(api: Api, tenant: Tenant) -> None:
    body = {"mode": "style", "prompt": "p", "imageBase64": encode(picture())}

    answer = await api.call(
        "POST", "/api/v1/generate", json=body, headers=tenant.headers, expect100=True
    )

    assert answer.status == 202


async def test_a_compressed_body_is_refused(api: Api, tenant: Tenant) -> None:
    answer = await api.call(
        "POST",
        "/api/v1/generate",
        data=b"x",
        headers=tenant.headers | {"Content-Encoding": "gzip"},
    )

    assert_problem(answer, 400, "invalid_request")
    assert "Content-Encoding" in answer.body["detail"]


async def test_pictures_that_claim_billions_of_pixels_cost_no_memory(
    api: Api, tenant: Tenant
) -> None:
    process = psutil.Process()
    await api.generate(tenant, imageBase64=encode(huge_png()))
    before = process.memory_info().rss

    answers = await asyncio.gather(
        *(api.generate(tenant, imageBase64=encode(huge_png())) for _ in range(20))
    )

    assert {answer.body["code"] for answer in answers} == {"image_too_large"}
    assert process.memory_info().rss - before < 100_000_000


async def test_a_client_that_hangs_up_within_its_body_leaves_nothing(
    api: Api, tenant: Tenant
) -> None:
    host, port = api.base_url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /api/v1/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n"
        + f"Authorization: Bearer {tenant.token}\r\n\r\n".encode()
        + base64.b64encode(bytes(100_000))
    )
    await writer.drain()
    writer.transport.abort()

    # The next request is answered as if nothing had been.
    assert (await api.call("GET", "/api/v1/jobs", headers=tenant.headers)).status == 200
    await assert_nothing_is_left(api, tenant)
