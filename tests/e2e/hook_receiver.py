"""A webhook target on the one port that the platform may reach."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook as Verifier

from tests.platform_under_test import PlatformUnderTest


@dataclass(frozen=True)
class Message:
    """A message as it came; header names in lower case.

    `verified` is its content, as the public library hands it out where the signature is right.
    """

    headers: dict[str, str]
    body: str
    verified: Any = None

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class HookReceiver:
    """Answers each message's first `failures` tries with 500, and keeps what came."""

    url: str
    failures: int
    got: list[Message] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def taken(self) -> list[Message]:
        """The messages that were answered with 200, in the order they came."""
        seen: dict[str, int] = defaultdict(int)
        found = []
        for message in list(self.got):
            seen[message.id] += 1
            if seen[message.id] > self.failures:
                found.append(message)
        return found


@contextmanager
def receiving_hooks(
    platform: PlatformUnderTest, *, failures: int, secret: str | None = None
) -> Iterator[HookReceiver]:
    """One at a time: there is one port. Messages are verified when they come, if by `secret`."""
    port = int((platform.data.parent / "webhook-port").read_text())
    receiver = HookReceiver(f"http://127.0.0.1:{port}", failures)
    keeping = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            verified = Verifier(secret).verify(body, headers) if secret is not None else None
            message = Message(headers, body, verified)
            with keeping:
                receiver.got.append(message)
                receiver.tries[message.id] += 1
                fails = receiver.tries[message.id] <= receiver.failures
            self.send_response(500 if fails else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
