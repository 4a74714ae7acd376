"""A real Triton behind its front, and beside it one that whoever likes may call."""

import contextlib
import os
import shutil
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from triton_server import ROOT, Triton, run

from tests.platform_under_test import wait_until
from tests.support.server_processes import has_ended

LIGHT = [ROOT / "bench" / "models"]
REQUEST = {"attemptId": "a/1", "mode": "none"}
INFER = "POST /v2/models/noop/infer HTTP/1.1\r\nHost: x\r\n"
SHUT = [
    "POST /v2/repository/index",
    "POST /v2/repository/models/noop/unload",
    "GET /v2/systemsharedmemory/status",
    "GET /v2/models/stats",
    "GET /v2/logging",
]


@pytest.fixture
def python() -> Path:
    return Path(os.environ["IMAGERIFT_TEST_MODELS_PYTHON"])


def say(triton: Triton, sent: bytes) -> bytes:
    """The first bytes of the answer, b"" where the connection ends without one."""
    address = urlsplit(triton.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as made:
        try:
            made.sendall(sent)
            return made.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            return b""


def chunked(triton: Triton) -> bytes:
    """One chunk for each byte, 4.8 MB in all: CVE-2025-23310."""
    head = f"{INFER}Authorization: Bearer {triton.token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"1\r\na\r\n" * 800_000 + b"0\r\n\r\n"


def test_the_request_that_crashes_triton_ends_at_its_front(python: Path, tmp_path: Path) -> None:
    origin = "http://127.0.0.1:1"
    folders = [tmp_path / "direct", tmp_path / "front"]
    for folder in folders:
        folder.mkdir()
    with run(python, origin, folders[0], LIGHT) as direct:
        # Its report of its own crash may hang.
        with contextlib.suppress(TimeoutError):
            assert say(direct, chunked(direct)) == b""
        log = folders[0] / "triton.log"
        wait_until(
            lambda: has_ended(direct.pid) or "Signal (11) received" in log.read_text(),
            seconds=60,
            what="Triton has crashed",
        )
    with run(python, origin, folders[1], LIGHT, behind_front=True) as triton:
        (child,) = psutil.Process(triton.pid).children()
        for _ in range(3):
            assert say(triton, chunked(triton))[:12] in {b"HTTP/1.1 411", b""}
        assert psutil.Process(triton.pid).children() == [child]
        assert triton.is_ready()
        assert "error" in triton.infer("noop", "REQUEST", REQUEST)
        listening = [c for c in child.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert listening == []


def test_a_model_that_does_not_load_is_the_last_word_of_the_server(
    python: Path, tmp_path: Path
) -> None:
    """Which is all that Kubernetes shows of a container that has ended."""
    models = tmp_path / "broken-models"
    shutil.copytree(LIGHT[0] / "noop", models / "broken")
    (models / "broken" / "config.pbtxt").write_text('backend: "python"\nmax_batch_size: 0\n')
    (models / "broken" / "1" / "model.py").write_text("import weights_that_nobody_has\n")
    with (
        pytest.raises(RuntimeError, match="did not become ready"),
        run(python, "http://127.0.0.1:1", tmp_path, [models], behind_front=True),
    ):
        pass
    (line,) = (tmp_path / "termination-log").read_text().splitlines()
    assert line.startswith("broken: ")
    assert "No module named 'weights_that_nobody_has'" in line


def test_a_real_server_answers_through_its_front_to_the_token_alone(
    python: Path, tmp_path: Path
) -> None:
    with run(python, "http://127.0.0.1:1", tmp_path, LIGHT, behind_front=True) as triton:
        assert "error" in triton.infer("noop", "REQUEST", REQUEST)
        for line in SHUT:
            head = f"{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {triton.token}\r\n\r\n"
            assert say(triton, head.encode()).startswith(b"HTTP/1.1 404")
        environment = psutil.Process(triton.pid).environ()
        metrics = Triton(f"http://127.0.0.1:{environment['IMAGERIFT_FRONT_METRICS_PORT']}")
        assert b"nv_inference_request_success" in everything(metrics, "/metrics")
        triton.token = "wrong"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            triton.infer("noop", "REQUEST", REQUEST)


def everything(triton: Triton, path: str) -> bytes:
    with urllib.request.urlopen(f"{triton.url}{path}", timeout=20) as response:  # noqa: S310
        read: bytes = response.read()
    return read


def test_a_crash_of_the_server_ends_the_front(python: Path, tmp_path: Path) -> None:
    with run(python, "http://127.0.0.1:1", tmp_path, LIGHT, behind_front=True) as triton:
        (child,) = psutil.Process(triton.pid).children()
        child.kill()
        wait_until(lambda: has_ended(triton.pid), seconds=30, what="the front has ended")
