"""What the client sends, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from imagerift import (
    ApiError,
    AsyncImageRift,
    AuthenticationError,
    ConfigurationError,
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

from tests.support.server_processes import free_port
from tests.unit.client.fake_api import JOB_ID, FakeApi, job

Using = Callable[..., Awaitable[Any]]


class Pauses:
    """Stands in for sleeping, and remembers for how long."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


class Awaited:
    """An `AsyncImageRift` whose calls are awaited one by one, so that it looks like the other."""

    def __init__(self, api: AsyncImageRift, loop: asyncio.AbstractEventLoop) -> None:
        self._api = api
        self._loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._api, name)
        return lambda *given, **named: self._loop.run_until_complete(method(*given, **named))


def with_sync(url: str, work: Callable[[Any], Any], options: dict[str, Any]) -> Any:
    with ImageRift(url, "ir_live_x", **options) as api:
        return work(api)


def with_async(url: str, work: Callable[[Any], Any], options: dict[str, Any]) -> Any:
    pause = options.pop("sleep", None)

    async def sleep(seconds: float) -> None:
        pause(seconds)

    if pause is not None:
        options["sleep"] = sleep
    with asyncio.Runner() as runner:
        api = AsyncImageRift(url, "ir_live_x", **options)
        try:
            return work(Awaited(api, runner.get_loop()))
        finally:
            runner.run(api.close())


@pytest.fixture(params=[with_sync, with_async], ids=["sync", "async"])
def using(request: pytest.FixtureRequest) -> Using:
    """Does some work with a client of the server: every promise is asked of both clients."""

    async def run(server: FakeApi, work: Callable[[Any], Any], **options: Any) -> Any:
        return await asyncio.to_thread(request.param, server.url, work, options)

    return run


async def test_a_submit_sends_only_what_was_asked_for(
    server: FakeApi, using: Using, tmp_path: Path
) -> None:
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


async def test_a_submit_that_got_no_answer_is_sent_again_as_the_same_one(
    server: FakeApi, using: Using
) -> None:
    pauses = Pauses()
    server.will_hang_up()
    server.will_answer({"code": "idempotency_in_progress"}, 409, {"Retry-After": "1"})
    server.will_answer(job(), 202)

    sent = await using(server, lambda api: api.generate(image=b"p", prompt="p"), sleep=pauses)

    assert sent.job_id == JOB_ID
    assert pauses.taken == [0.5, 1.0]
    keys = [headers["Idempotency-Key"] for _, _, headers, _ in server.seen]
    assert len(keys) == 3 and len(set(keys)) == 1 and len(keys[0]) == 36


async def test_an_idempotency_key_of_ones_own_is_sent(server: FakeApi, using: Using) -> None:
    server.will_answer(job(), 202)
    await using(server, lambda api: api.generate(image=b"p", prompt="p", idempotency_key="order-7"))
    assert server.seen[0][2]["Idempotency-Key"] == "order-7"


async def test_a_delete_that_got_no_answer_is_left_to_the_caller(
    server: FakeApi, using: Using
) -> None:
    server.will_hang_up()
    with pytest.raises(Unreachable):
        await using(server, lambda api: api.delete(JOB_ID), sleep=Pauses())
    assert len(server.seen) == 1


async def test_modes_usage_and_deletes_are_calls_too(server: FakeApi, using: Using) -> None:
    server.will_answer({"data": [{"mode": "style"}]})
    server.will_answer({"period": "2026-11"})
    server.will_answer(b"", 204)

    def work(api: Any) -> Any:
        return api.list_modes(), api.get_usage(), api.delete(JOB_ID)

    assert await using(server, work) == ([{"mode": "style"}], {"period": "2026-11"}, None)
    assert [(method, path) for method, path, _, _ in server.seen] == [
        ("GET", "/api/v1/modes"),
        ("GET", "/api/v1/usage"),
        ("DELETE", f"/api/v1/jobs/{JOB_ID}"),
    ]


def test_both_clients_have_the_same_methods() -> None:
    def surface(client: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_")
        }

    assert surface(ImageRift) == surface(AsyncImageRift)


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
    server: FakeApi, using: Using, status: int, kind: type[ApiError]
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


async def test_it_waits_as_long_as_a_429_asks_and_tries_again(
    server: FakeApi, using: Using
) -> None:
    pauses = Pauses()
    server.will_answer({"code": "rate_limited"}, 429, {"Retry-After": "7"})
    server.will_answer({"code": "capacity_unavailable"}, 503, {"Retry-After": "5"})
    server.will_answer(job())

    got = await using(server, lambda api: api.get_job(JOB_ID), sleep=pauses)

    assert got.status == "queued"
    assert pauses.taken == [7.0, 5.0]


async def test_it_gives_up_on_429_after_its_retries(server: FakeApi, using: Using) -> None:
    for _ in range(3):
        server.will_answer({"code": "rate_limited"}, 429, {"Retry-After": "1"})

    with pytest.raises(RateLimitError):
        await using(server, lambda api: api.get_job(JOB_ID), sleep=Pauses(), retries=2)

    assert len(server.seen) == 3


async def test_waiting_polls_at_the_pace_the_server_asks_for(server: FakeApi, using: Using) -> None:
    pauses = Pauses()
    server.will_answer(job("processing"), headers={"Retry-After": "3"})
    server.will_answer(job("succeeded"))

    ended = await using(server, lambda api: api.wait(JOB_ID), sleep=pauses)

    assert ended.status == "succeeded"
    assert pauses.taken == [3.0]


async def test_waiting_has_an_end(server: FakeApi, using: Using) -> None:
    server.will_answer(job(), headers={"Retry-After": "30"})

    with pytest.raises(WaitTimeout):
        await using(server, lambda api: api.wait(JOB_ID, timeout_seconds=5), sleep=Pauses())


async def test_a_list_keeps_its_cursor_and_sends_its_filters(server: FakeApi, using: Using) -> None:
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


async def test_a_download_does_not_carry_the_key(server: FakeApi, using: Using) -> None:
    server.will_answer(job("succeeded", outputs=[output(server, b"pixels")]))
    server.will_answer(b"pixels")

    data = await using(server, lambda api: api.download(api.get_job(JOB_ID).outputs[0]))

    assert data == b"pixels"
    assert "Authorization" not in server.seen[1][2]


async def test_a_download_that_is_not_the_picture_is_refused(server: FakeApi, using: Using) -> None:
    server.will_answer(job("succeeded", outputs=[output(server, b"pixels")]))
    server.will_answer(b"other")

    with pytest.raises(ImageRiftError, match="digest"):
        await using(server, lambda api: api.download(api.get_job(JOB_ID).outputs[0]))


async def test_an_address_where_nobody_listens_is_named(server: FakeApi, using: Using) -> None:
    nowhere = FakeApi(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        await using(nowhere, lambda api: api.get_job(JOB_ID))


@pytest.mark.parametrize("content", [b"<html>", [], {"status": "queued"}])
async def test_an_answer_that_is_no_job_is_no_crash(
    server: FakeApi, using: Using, content: Any
) -> None:
    server.will_answer(content)

    with pytest.raises(Unreachable):
        await using(server, lambda api: api.get_job(JOB_ID))


async def test_a_server_that_goes_away_is_waited_for(server: FakeApi, using: Using) -> None:
    pauses = Pauses()
    server.will_answer(job(), headers={"Retry-After": "1"})
    for _ in range(3):
        server.will_hang_up()
    server.will_answer(b"<html>bad gateway", 502)
    server.will_answer(b"<html>unavailable", 503)
    server.will_answer(job("succeeded"))

    ended = await using(server, lambda api: api.wait(JOB_ID), sleep=pauses, retries=0)

    assert ended.status == "succeeded"
    assert pauses.taken == [1.0, 0.5, 1.0, 2.0, 4.0, 8.0]


async def test_a_refused_connection_is_tried_again_once_the_server_was_there(
    server: FakeApi, using: Using
) -> None:
    pauses = Pauses()
    server.will_answer(job(), headers={"Retry-After": "1"})

    def work(api: Any) -> None:
        seen = api.get_job(JOB_ID)
        # As if its port had been closed.
        http = api._sender._http if isinstance(api, ImageRift) else api._api._http
        http.base_url = f"http://127.0.0.1:{free_port()}"
        api.wait(seen)

    with pytest.raises(Unreachable):
        await using(server, work, sleep=pauses)
    assert pauses.taken == [1.0, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, 10.0]


async def test_a_link_that_has_expired_is_renewed(server: FakeApi, using: Using) -> None:
    server.will_answer(job("succeeded", outputs=[output(server, b"pixels")]))
    server.will_answer(b"<Error>Request has expired", 403)
    server.will_answer(job("succeeded", outputs=[output(server, b"pixels")]))
    server.will_answer(b"pixels")

    data = await using(server, lambda api: api.download(api.get_job(JOB_ID).outputs[0]))

    assert data == b"pixels"
    assert [path for _, path, _, _ in server.seen][2] == f"/api/v1/jobs/{JOB_ID}"


async def test_a_link_that_a_list_does_not_show_is_read(server: FakeApi, using: Using) -> None:
    listed = output(server, b"pixels") | {"downloadUrl": None}
    server.will_answer({"data": [job("succeeded", outputs=[listed])], "nextCursor": None})
    server.will_answer(job("succeeded", outputs=[output(server, b"pixels")]))
    server.will_answer(b"pixels")

    data = await using(server, lambda api: api.download(api.list_jobs().jobs[0].outputs[0]))

    assert data == b"pixels"


@pytest.mark.parametrize(
    "image", [b"picture", bytearray(b"picture"), memoryview(b"picture"), io.BytesIO(b"picture")]
)
async def test_bytes_and_open_files_are_taken(server: FakeApi, using: Using, image: Any) -> None:
    server.will_answer(job(), 202)
    await using(server, lambda api: api.generate(image=image, prompt="p"))
    assert base64.b64decode(server.seen[0][3]["imageBase64"]) == b"picture"
    if isinstance(image, io.BytesIO):
        image.seek(0)


async def test_a_file_that_is_open_for_text_is_refused(server: FakeApi, using: Using) -> None:
    with pytest.raises(TypeError, match="rb"):
        await using(server, lambda api: api.generate(image=io.StringIO("picture"), prompt="p"))


@pytest.mark.parametrize("client", [ImageRift, AsyncImageRift])
def test_address_and_key_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, client: Callable[[], Any]
) -> None:
    monkeypatch.setenv("IMAGERIFT_API_URL", "https://pictures.example/\n")
    monkeypatch.setenv("IMAGERIFT_API_KEY", "ir_live_x\n")
    made = client()
    http = made._sender._http if isinstance(made, ImageRift) else made._http
    assert str(http.base_url) == "https://pictures.example"
    assert http.headers["Authorization"] == "Bearer ir_live_x"
    monkeypatch.setenv("IMAGERIFT_API_KEY", "")
    with pytest.raises(ConfigurationError, match="IMAGERIFT_API_KEY"):
        client()
