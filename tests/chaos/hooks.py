"""A receiver of webhooks that writes down what it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.chaos.history import Answer, History


@contextmanager
def receiving(history: History) -> Iterator[str]:
    """Yields `host:port` of a receiver that takes every message."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            at = time.time()
            history.add(
                Answer(
                    "hook",
                    "",
                    at,
                    at,
                    200,
                    job=body["data"]["jobId"],
                    told=body["type"].removeprefix("job."),
                    message=self.headers["webhook-id"],
                )
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
