"""What a model server's front takes, over raw sockets: all else ends before the server has it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.support.fronts import RunningFront, read_answer, running_front

INFER = "POST /v2/models/echo/infer"
MOST = 2000


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningFront]:
    with running_front(BODY_BYTES=str(MOST), BODY_SECONDS="1", CONNECTIONS="24") as front:
        yield front


@pytest.fixture
def front(shared: RunningFront) -> RunningFront:
    """The module's front, whose server has had no call yet."""
    shared.calls.unlink(missing_ok=True)
    return shared


def infer(front: RunningFront, body: bytes, *fields: str, token: bool = True) -> bytes:
    return front.head(INFER, f"Content-Length: {len(body)}", *fields, token=token) + body


def test_a_call_goes_through_as_it_is_and_comes_back(front: RunningFront) -> None:
    body = bytes(range(256)) * 7
    sent = infer(front, body, "Inference-Header-Content-Length: 3", "traceparent: 00-ab-cd-01")
    made = front.connect()
    for _ in range(2):  # Twice on one connection.
        made.sendall(sent)
        assert read_answer(made) == (200, body)
    one, _ = front.reached()
    assert one["body"] == len(body)
    assert one["head"].startswith("POST /v2/models/echo/infer HTTP/1.1\r\n")
    assert "Inference-Header-Content-Length: 3\r\n" in one["head"]
    assert "traceparent: 00-ab-cd-01\r\n" in one["head"]


def test_nothing_but_what_the_operator_sends_is_passed_on(front: RunningFront) -> None:
    extra = ("imagerift-lock: guess", "Cookie: a=b", "X-Forwarded-For: 1", "Accept: */*")
    assert front.say(infer(front, b"{}", *extra))[0] == 200
    (call,) = front.reached()
    names = {line.partition(":")[0].lower() for line in call["head"].split("\r\n")[1:-2]}
    assert names <= {"host", "content-length", "content-type", "accept-encoding"}
    assert front.token not in call["head"]


def test_a_body_in_chunks_is_refused_though_millions_come(front: RunningFront) -> None:
    # The request that ends Triton 2.51 with a segmentation fault: CVE-2025-23310.
    head = front.head(INFER, "Transfer-Encoding: chunked")
    assert front.say(head + b"1\r\na\r\n" * 800_000 + b"0\r\n\r\n")[0] in {0, 411}
    assert front.say(head)[0] == 411
    assert front.reached() == []
    assert front.say(front.head("GET /v2/health/live", token=False))[0] == 200


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (["Content-Length: 2", "Transfer-Encoding: chunked"], {400, 411}),
        (["Transfer-Encoding: gzip, chunked"], {400, 411}),
        (["Transfer-Encoding: xchunked"], {400, 411}),
        (["Content-Length: 2", "Content-Length: 3"], {400}),
        (["Content-Length: -1"], {400}),
        (["Content-Length: 0x10"], {400}),
        ([], {411}),
        ([f"Content-Length: {MOST + 1}"], {413}),
        (["Content-Length: 99999999999999999999"], {400, 413}),
        (["Content-Length: 2", "Content-Encoding: gzip"], {400}),
        (["Content-Length: 2", "Expect: 100-continue"], {400}),
        (["Content-Length: 2", "Connection: Upgrade", "Upgrade: h2c"], {400}),
    ],
)
def test_a_body_without_one_plain_length_is_refused_by_its_head(
    front: RunningFront, fields: list[str], status: set[int]
) -> None:
    assert front.say(front.head(INFER, *fields))[0] in status
    assert front.reached() == []


def test_a_body_of_the_longest_length_is_taken(front: RunningFront) -> None:
    assert front.say(infer(front, b"x" * MOST))[0] == 200
    (call,) = front.reached()
    assert call["body"] == MOST


@pytest.mark.parametrize(
    "line",
    [
        "GET /",
        "GET /metrics",
        "GET /v2",
        "GET /v2/models/stats",
        "GET /v2/models/echo",
        "GET /v2/models/echo/config",
        "GET /v2/models/echo/stats",
        "GET /v2/models/echo/versions/1/ready",
        "GET /v2/models/echo/ready?x=1",
        "GET /v2/models/../health/ready",
        "GET /v2/models/a%2Fb/ready",
        "GET //v2/health/ready",
        "GET http://127.0.0.1/v2/health/ready",
        "GET /v2/systemsharedmemory/status",
        "GET /v2/cudasharedmemory/status",
        "GET /v2/trace/setting",
        "GET /v2/logging",
        "POST /v2/logging",
        "POST /v2/repository/index",
        "POST /v2/repository/models/echo/load",
        "POST /v2/repository/models/echo/unload",
        "POST /v2/systemsharedmemory/region/a/register",
        "POST /v2/models/echo/trace/setting",
        "POST /v2/models/echo/generate",
        "POST /v2/models/echo/generate_stream",
        "POST /v2/models/echo/versions/1/infer",
        "POST /v2/models//infer",
        f"POST /v2/models/{'m' * 129}/infer",
        "CONNECT triton:8000",
        "OPTIONS *",
    ],
)
def test_what_the_operator_never_calls_is_not_there(front: RunningFront, line: str) -> None:
    for fields in ([], ["Content-Length: 0"]):
        assert front.say(front.head(line, *fields))[0] in {400, 404}
    assert front.reached() == []


@pytest.mark.parametrize(
    "line",
    [
        "GET /v2/models/echo/infer",
        "PUT /v2/models/echo/infer",
        "POST /v2/models/echo/ready",
        "POST /v2/health/ready",
        "DELETE /v2/health/live",
        "HEAD /v2/health/live",
    ],
)
def test_a_call_by_another_method_is_refused(front: RunningFront, line: str) -> None:
    assert front.say(front.head(line, "Content-Length: 0"))[0] == 405
    assert front.reached() == []


def test_a_get_has_no_body(front: RunningFront) -> None:
    for line in ("GET /v2/health/ready", "GET /v2/models/echo/ready"):
        assert front.say(front.head(line, "Content-Length: 2") + b"{}")[0] == 413
        assert front.say(front.head(line, "Transfer-Encoding: chunked"))[0] == 411
    assert front.reached() == []


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer {token}x",
        "Bearer {most}",
        "Basic {token}",
        "{token}",
        "Bearer \xe9\xff{token}",
        "Bearer {token} {token}",
    ],
)
def test_a_call_without_the_token_is_refused_before_its_body(
    front: RunningFront, given: str | None
) -> None:
    for line, length in ((INFER, 2), ("GET /v2/models/echo/ready", 0)):
        words = (given or "").format(token=front.token, most=front.token[:-1])
        fields = [] if given is None else [f"Authorization: {words}"]
        head = front.head(line, f"Content-Length: {length}", *fields, token=False)
        assert front.say(head.decode().encode("latin-1"))[0] == 401
    assert front.reached() == []


def test_a_kubelet_asks_for_health_without_a_token(front: RunningFront) -> None:
    for path in ("live", "ready"):
        assert front.say(front.head(f"GET /v2/health/{path}", token=False))[0] == 200
    assert len(front.reached()) == 2


def test_metrics_are_all_that_their_port_has(front: RunningFront) -> None:
    def ask(line: str, *fields: str) -> int:
        return front.say(front.head(line, *fields), front.metrics_port)[0]

    assert front.say(front.head("GET /metrics", token=False), front.metrics_port)[0] == 200
    front.calls.unlink()
    for line in ("GET /v2/health/ready", "GET /metrics?a", "GET /v2/models/echo/ready", "GET /"):
        assert ask(line) == 404
    assert ask("POST /metrics", "Content-Length: 0") == 404
    assert ask(INFER, "Content-Length: 0") == 404
    assert ask("GET /metrics", "Transfer-Encoding: chunked") == 411
    assert front.reached() == []


def test_a_body_that_stalls_is_given_up_and_never_begun_behind(front: RunningFront) -> None:
    began = time.monotonic()
    made = front.connect()
    made.sendall(infer(front, b"x" * 100)[:-50])
    status, _ = read_answer(made)
    assert (status, front.reached()) == (408, [])
    assert time.monotonic() - began < 10


def test_a_body_that_ends_early_is_never_begun_behind(front: RunningFront) -> None:
    with front.connect() as made:
        made.sendall(infer(front, b"x" * 100)[:-50])
    assert front.say(infer(front, b"{}"))[0] == 200
    (call,) = front.reached()
    assert call["body"] == 2


def test_connections_over_the_bound_are_closed_and_calls_go_on_after(front: RunningFront) -> None:
    made = [front.connect() for _ in range(60)]
    held = [one for one in made if _is_held(front, one)]
    assert 0 < len(held) <= 24
    for one in made:
        one.close()
    deadline = time.monotonic() + 10
    while front.say(infer(front, b"{}"))[0] != 200:
        assert time.monotonic() < deadline


def _is_held(front: RunningFront, made: socket.socket) -> bool:
    try:
        made.sendall(front.head("GET /v2/health/live", token=False))
        return read_answer(made)[0] == 200
    except OSError:
        return False


def test_refused_bodies_take_no_memory(front: RunningFront) -> None:
    process = psutil.Process(front.process.pid)
    before = process.memory_info().rss
    wrong = front.head(INFER, "Content-Length: 1999", "Authorization: Bearer no", token=False)
    large = front.head(INFER, "Content-Length: 200000000")
    for head in (wrong, large):
        for _ in range(20):
            front.say(head + b"x" * 2_000_000)
    assert process.memory_info().rss - before < 16 * 1024 * 1024
    assert front.reached() == []


def test_nothing_that_is_printed_holds_the_token(front: RunningFront) -> None:
    assert front.say(infer(front, b"{}", "Authorization: Bearer no", token=False))[0] == 401
    assert "401" in front.log
    words = " ".join(psutil.Process(front.process.pid).cmdline())
    assert front.token not in front.log + words
