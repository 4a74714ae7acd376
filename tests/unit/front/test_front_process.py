"""The front's life: it and its server begin and end together, and calls in flight are ended."""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme

from tests.platform_under_test import wait_until
from tests.support.fronts import RunningFront, read_answer, running_front, start
from tests.support.server_processes import free_port, has_ended


def infer(front: RunningFront, model: str, body: bytes = b"{}") -> bytes:
    line = f"POST /v2/models/{model}/infer"
    return front.head(line, f"Content-Length: {len(body)}") + body


def behind(front: RunningFront) -> psutil.Process:
    (child,) = psutil.Process(front.process.pid).children()
    return child


def test_a_server_that_dies_takes_the_front_with_it() -> None:
    with running_front() as front:
        assert front.say(infer(front, "die"))[0] == 0
        assert front.process.wait(20) == 7


def test_a_killed_server_ends_the_front_as_a_shell_would_say() -> None:
    with running_front() as front:
        behind(front).kill()
        assert front.process.wait(20) == 137


def test_a_killed_front_leaves_no_server() -> None:
    with running_front() as front:
        child = behind(front).pid
        front.process.kill()
        wait_until(lambda: has_ended(child), seconds=20, what="the server has ended")


def test_a_front_that_is_told_to_end_ends_the_calls_it_has() -> None:
    with running_front() as front:
        made = front.connect()
        made.sendall(infer(front, "held", b"abc"))
        wait_until(front.reached, seconds=20, what="the call is there")
        front.process.terminate()
        # A new call is still taken: whether it is run is the server's business.
        assert front.say(front.head("GET /v2/health/live", token=False))[0] == 200
        assert front.process.poll() is None
        front.calls.with_suffix(".go").touch()
        assert read_answer(made) == (200, b"abc")
        assert front.process.wait(20) == 0


def test_a_call_that_the_server_drops_is_dropped_too() -> None:
    with running_front() as front:
        assert front.say(infer(front, "cut")) == (0, b"")
        assert front.say(infer(front, "echo")) == (200, b"{}")


def test_while_the_server_is_not_there_yet_calls_are_told_so(tmp_path: Path) -> None:
    settings = {"ANYONE": "true", "HOST": "127.0.0.1", "METRICS_PORT": "0"}
    port = free_port()
    # It gets flags, and listens nowhere.
    process = start(tmp_path, ["sh", "-c", "exec sleep 100"], settings | {"PORT": str(port)})
    front = RunningFront(tmp_path, port, 0, process, "none")

    def status() -> int:
        try:
            return front.say(infer(front, "echo"))[0]
        except ConnectionRefusedError:
            return 0

    try:
        assert wait_until(status, seconds=20, what="the front answers") == 503
        body = front.say(infer(front, "echo"))[1]
        # Which the operator takes for a server that has not begun.
        assert b"is not ready" in body
    finally:
        process.kill()
        process.wait()


def test_the_server_listens_on_sockets_that_only_its_user_reaches() -> None:
    with running_front() as front:
        command = behind(front).cmdline()
        sockets = [Path(w.partition("=unix:")[2]) for w in command if "-address=unix:" in w]
        assert len(sockets) == 2
        for path in sockets:
            assert path.is_socket()
            assert path.parent.stat().st_mode & 0o777 == 0o700
        assert "--allow-grpc=false" in command
        assert not [one for one in behind(front).net_connections("inet") if one.status == "LISTEN"]


def test_the_server_has_none_of_the_fronts_settings() -> None:
    with running_front() as front:
        assert not [name for name in behind(front).environ() if name.startswith("IMAGERIFT_FRONT")]


def test_a_token_is_replaced_without_a_call_refused() -> None:
    with running_front() as front:
        path, old, new = front.folder / "token", front.token, "n" * 40

        def status(token: str) -> int:
            front.token = token
            return front.say(infer(front, "echo"))[0]

        assert (status(old), status(new)) == (200, 401)
        path.write_text(f"{new}\n{old}\n")
        assert (status(old), status(new)) == (200, 200)
        path.write_text("")
        # A file that is no longer whole shuts nobody out.
        assert status(new) == 200
        path.write_text(new)
        assert (status(old), status(new)) == (401, 200)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "IMAGERIFT_FRONT_TOKEN_FILE must name"),
        ({"ANYONE": "1"}, "IMAGERIFT_FRONT_TOKEN_FILE must name"),
        ({"TOKEN_FILE": "{folder}/none"}, "No such file"),
        ({"TOKEN_FILE": "{folder}/short"}, "holds no token of 32 characters"),
        ({"TOKEN_FILE": "{folder}/empty"}, "holds no token of 32 characters"),
        ({"ANYONE": "true", "TLS_KEY": "/key"}, "go together"),
        ({"ANYONE": "true", "PORT": "many"}, "invalid literal"),
    ],
)
def test_a_front_that_knows_no_caller_does_not_start(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    (tmp_path / "short").write_text("x" * 31)
    (tmp_path / "empty").touch()
    told = {name: value.format(folder=tmp_path) for name, value in settings.items()}
    began = tmp_path / "began"
    command = [sys.executable, "-c", f"open({str(began)!r}, 'w')"]
    process = start(tmp_path, command, {"PORT": str(free_port())} | told)
    assert process.wait(20) == 1
    said = (tmp_path / "front.log").read_text()
    assert words in said
    assert "Traceback" not in said
    assert not began.exists()


def test_somebody_elses_folder_is_not_taken_for_the_sockets(tmp_path: Path) -> None:
    port = free_port()
    folder = tmp_path / f"imagerift-front-{os.getuid()}-{port}"
    folder.mkdir(mode=0o755)
    settings = {"ANYONE": "true", "HOST": "127.0.0.1", "METRICS_PORT": "0", "PORT": str(port)}
    assert start(tmp_path, ["sleep", "100"], settings).wait(20) == 1
    assert "only this user may enter" in (tmp_path / "front.log").read_text()


def test_with_a_certificate_it_speaks_tls_alone(tmp_path: Path) -> None:
    authority = trustme.CA()
    pair = authority.issue_cert("127.0.0.1")
    pair.private_key_pem.write_to_path(tmp_path / "tls.key")
    for number, blob in enumerate(pair.cert_chain_pems):
        blob.write_to_path(tmp_path / "tls.crt", append=number > 0)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    settings: dict[str, Any] = {
        "TLS_CERTIFICATE": str(tmp_path / "tls.crt"),
        "TLS_KEY": str(tmp_path / "tls.key"),
    }
    with running_front(tls=context, **settings) as front:
        assert front.say(infer(front, "echo")) == (200, b"{}")
        metrics = front.say(front.head("GET /metrics", token=False), front.metrics_port)
        assert metrics[0] == 200
        front.calls.unlink()
        front.tls = None
        for port in (front.port, front.metrics_port):
            assert front.say(infer(front, "echo"), port)[0] == 0
        assert front.reached() == []
        front.tls = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            front.say(infer(front, "echo"))
        # An old version of the protocol.
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(old)
        old.set_ciphers("DEFAULT@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        front.tls = old
        with pytest.raises((ssl.SSLError, OSError)):
            front.say(infer(front, "echo"))
