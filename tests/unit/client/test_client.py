"""What the client sends, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from imagerift import (
    ApiError,
    AuthenticationError,
    ConflictError,
    ImageRift,
    ImageRiftError,
    InvalidRequestError,
    NotFoundError,
    QuotaExhaustedError,
    RateLimitError,
    ServerError,
    Unreachable,
    WaitTimeout,
)

from tests.servers import free_port
from tests.unit.client.fake_api import JOB_ID, FakeApi, job


class Pauses:
    """Stands in for sleeping, and remembers for how long."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


async def using(server: FakeApi, work: Callable[[ImageRift], Any], **options: Any) -> Any:
    def run() -> Any:
        with ImageRift(server.url, "ir_live_x", **options) as api:
            return work(api)

    return await asyncio.to_thread(run)


async def test_a_submit_sends_only_what_was_asked_for(server: FakeApi, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"picture")
    server.will_answer(job(), 202, {"Retry-After": "4"})

    sent = await using(server, lambda api: api.generate(image=photo, prompt="p", variations=2))

    method, path, headers, body = server.seen[0]
    assert (method, path) == ("POST", "/api/v1/generate")
    assert headers["Authorization"] == "Bearer ir_live_x"
    assert body == {
        "mode": "style",
        "imageBase64": base64.b64encode(b"picture").decode(),
        "prompt": "p",
        "variations": 2,
    }
    assert (sent.job_id, sent.status, sent.retry_after_seconds) == (JOB_ID, "queued", 4.0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (402, QuotaExhaustedError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, InvalidRequestError),
        (415, InvalidRequestError),
        (422, InvalidRequestError),
        (500, ServerError),
    ],
)
async def test_a_problem_becomes_its_typed_error(
    server: FakeApi, status: int, kind: type[ApiError]
) -> None:
    server.will_answer(
        {
            "code": "some_code",
            "detail": "what went wrong",
            "requestId": "req_1",
            "errors": [{"param": "seed", "message": "too large"}],
        },
        status,
    )

    with pytest.raises(kind) as caught:
        await using(server, lambda api: api.get_job(JOB_ID))

    error = caught.value
    assert (error.status, error.code, error.request_id) == (status, "some_code", "req_1")
    assert "what went wrong" in str(error)
    assert error.errors == [{"param": "seed", "message": "too large"}]


async def test_it_waits_as_long_as_a_429_asks_and_tries_again(server: FakeApi) -> None:
    pauses = Pauses()
    server.will_answer({"code": "rate_limited"}, 429, {"Retry-After": "7"})
    server.will_answer({"code": "capacity_unavailable"}, 503, {"Retry-After": "5"})
    server.will_answer(job())

    got = await using(server, lambda api: api.get_job(JOB_ID), sleep=pauses)

    assert got.status == "queued"
    assert pauses.taken == [7.0, 5.0]


async def test_it_gives_up_on_429_after_its_retries(server: FakeApi) -> None:
    for _ in range(3):
        server.will_answer({"code": "rate_limited"}, 429, {"Retry-After": "1"})

    with pytest.raises(RateLimitError):
        await using(server, lambda api: api.get_job(JOB_ID), sleep=Pauses(), retries=2)

    assert len(server.seen) == 3


async def test_waiting_polls_at_the_pace_the_server_asks_for(server: FakeApi) -> None:
    pauses = Pauses()
    server.will_answer(job("processing"), headers={"Retry-After": "3"})
    server.will_answer(job("succeeded"))

    ended = await using(server, lambda api: api.wait(JOB_ID), sleep=pauses)

    assert ended.status == "succeeded"
    assert pauses.taken == [3.0]


async def test_waiting_has_an_end(server: FakeApi) -> None:
    server.will_answer(job(), headers={"Retry-After": "30"})

    with pytest.raises(WaitTimeout):
        await using(server, lambda api: api.wait(JOB_ID, timeout_seconds=5), sleep=Pauses())


async def test_a_list_keeps_its_cursor_and_sends_its_filters(server: FakeApi) -> None:
    server.will_answer({"data": [job(), job("failed")], "nextCursor": "abc"})

    page = await using(server, lambda api: api.list_jobs(status="queued", limit=2, cursor="c"))

    assert server.seen[0][1] == "/api/v1/jobs?status=queued&limit=2&cursor=c"
    assert [one.status for one in page.jobs] == ["queued", "failed"]
    assert page.next_cursor == "abc"


def output(server: FakeApi, data: bytes) -> dict[str, Any]:
    return {
        "index": 0,
        "generationId": "g",
        "seed": 1,
        "width": 2,
        "height": 2,
        "contentType": "image/png",
        "sizeBytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "downloadUrl": f"{server.url}/bucket/key?X-Amz-Signature=s",
    }


async def test_a_download_does_not_carry_the_key(server: FakeApi) -> None:
    server.will_answer(job("succeeded", outputs=[output(server, b"pixels")]))
    server.will_answer(b"pixels")

    data = await using(server, lambda api: api.download(api.get_job(JOB_ID).outputs[0]))

    assert data == b"pixels"
    assert "Authorization" not in server.seen[1][2]


async def test_a_download_that_is_not_the_picture_is_refused(server: FakeApi) -> None:
    server.will_answer(job("succeeded", outputs=[output(server, b"pixels")]))
    server.will_answer(b"other")

    with pytest.raises(ImageRiftError, match="digest"):
        await using(server, lambda api: api.download(api.get_job(JOB_ID).outputs[0]))


async def test_an_address_where_nobody_listens_is_named(server: FakeApi) -> None:
    nowhere = FakeApi(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        await using(nowhere, lambda api: api.get_job(JOB_ID))


@pytest.mark.parametrize("content", [b"<html>", [], {"status": "queued"}])
async def test_an_answer_that_is_no_job_is_no_crash(server: FakeApi, content: Any) -> None:
    server.will_answer(content)

    with pytest.raises(Unreachable):
        await using(server, lambda api: api.get_job(JOB_ID))
