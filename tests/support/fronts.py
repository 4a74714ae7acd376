"""A running front of a model server, and raw bytes to and from it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.platform_under_test import CHECKOUT, wait_until
from tests.support.server_processes import free_port

BEHIND = Path(__file__).with_name("behind_front.py")
SECONDS = 20


@dataclass
class RunningFront:
    """A front's process, with what there is to know of it from outside."""

    folder: Path
    port: int
    metrics_port: int
    process: subprocess.Popen[bytes]
    token: str
    tls: ssl.SSLContext | None = None
    opened: list[socket.socket] = field(default_factory=list)

    @property
    def log(self) -> str:
        return (self.folder / "front.log").read_text()

    @property
    def calls(self) -> Path:
        return self.folder / "calls.log"

    def reached(self) -> list[dict[str, Any]]:
        """The calls that the server behind it has had: `head`, and the bytes of `body`."""
        if not self.calls.exists():
            return []
        return [json.loads(line) for line in self.calls.read_text().splitlines()]

    def head(self, line: str, *fields: str, token: bool = True) -> bytes:
        """The head of a call, with the token where not said otherwise."""
        bearer = [f"Authorization: Bearer {self.token}"] if token else []
        return "\r\n".join([f"{line} HTTP/1.1", "Host: front", *bearer, *fields, "", ""]).encode()

    def connect(self, port: int | None = None) -> socket.socket:
        """A connection, closed with the front."""
        made = socket.create_connection(("127.0.0.1", port or self.port), timeout=SECONDS)
        if self.tls is not None:
            made = self.tls.wrap_socket(made, server_hostname="127.0.0.1")
        self.opened.append(made)
        return made

    def say(self, sent: bytes, port: int | None = None) -> tuple[int, bytes]:
        """Sends the bytes on a connection of its own; the answer's status and body.

        Status 0 where the connection ends without an answer.
        """
        with self.connect(port) as made:
            # It may have answered before it had read all.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                made.sendall(sent)
            return read_answer(made)


def read_answer(made: socket.socket) -> tuple[int, bytes]:
    """One answer with a Content-Length: its status and body."""
    got = b""
    while True:
        head, end, body = got.partition(b"\r\n\r\n")
        if end:
            fields = head.lower().split(b"\r\n")
            length = next((f for f in fields if f.startswith(b"content-length:")), b":0")
            if len(body) >= int(length.partition(b":")[2]):
                return int(head.split(b" ", 2)[1]), body
        try:
            piece = made.recv(65536)
        except ConnectionResetError:
            piece = b""
        if not piece:
            return (int(head.split(b" ", 2)[1]) if end else 0), body if end else got
        got += piece


def start(
    folder: Path, command: Sequence[str], settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    """A front of `command` with these `IMAGERIFT_FRONT_*` variables."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT / "triton_models"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder),
        **{f"IMAGERIFT_FRONT_{name}": value for name, value in settings.items()},
    }
    with (folder / "front.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "imagerift_front", *command],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


@contextmanager
def running_front(
    command: Sequence[str] = (),
    *,
    tls: ssl.SSLContext | None = None,
    seconds: float = SECONDS,
    **settings: str,
) -> Iterator[RunningFront]:
    """A front before a recording server (or `command`), ready to take calls."""
    # Short: a socket's path may have a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="front-"))
    token = secrets.token_hex(32)
    (folder / "token").write_text(token)
    port, metrics_port = free_port(), free_port()
    own = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "METRICS_PORT": str(metrics_port),
        "TOKEN_FILE": str(folder / "token"),
    }
    behind = command or [sys.executable, str(BEHIND), str(folder / "calls.log")]
    process = start(folder, behind, own | settings)
    front = RunningFront(folder, port, metrics_port, process, token, tls)
    try:
        wait_until(lambda: _is_ready(front), seconds=seconds, what="the front is ready")
        front.calls.unlink(missing_ok=True)
        yield front
    finally:
        for made in front.opened:
            made.close()
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _is_ready(front: RunningFront) -> bool:
    assert front.process.poll() is None, front.log
    try:
        return front.say(front.head("GET /v2/health/ready", token=False))[0] == 200
    except OSError:
        return False
