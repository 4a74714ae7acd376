"""A loopback HTTP server in the part of S3: it gives sources and takes outputs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


class Origin:
    """What the server holds and what it saw."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sources: dict[str, bytes] = {}
        self.outputs: dict[str, tuple[str, bytes]] = {}
        self.refuse_uploads_of: set[str] = set()
        self.requests: list[str] = []
        self.fetched = threading.Event()
        self.held: dict[str, threading.Event] = {}

    def forget(self) -> None:
        """Start the next test with an empty store."""
        self.sources.clear()
        self.outputs.clear()
        self.refuse_uploads_of.clear()
        self.requests.clear()
        self.fetched.clear()
        self.held.clear()

    def give(self, name: str, data: bytes) -> str:
        """Hold a source; return its URL."""
        self.sources[name] = data
        return f"{self.url}/source/{name}?X-Amz-Signature=SECRETSIGNATURE"

    def target(self, name: str) -> str:
        """The URL of an upload."""
        return f"{self.url}/output/{name}?X-Amz-Signature=SECRETSIGNATURE"


class Handler(BaseHTTPRequestHandler):
    """S3's manners, as far as a presigned URL shows them."""

    protocol_version = "HTTP/1.1"
    origin: ClassVar[Origin]

    def do_GET(self) -> None:
        kind, name = self._parts()
        if kind == "redirect":
            self._answer(302, b"", {"Location": f"{self.origin.url}/source/{name}"})
        elif kind == "error":
            self._answer(int(name), b"")
        elif kind == "source" and name in self.origin.sources:
            data = self.origin.sources[name]
            if name in self.origin.held:
                self.origin.held[name].wait(60)
            self._answer(200, data)
            self.origin.fetched.set()
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_PUT(self) -> None:
        _, name = self._parts()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if name in self.origin.refuse_uploads_of:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            return
        self.origin.outputs[name] = (self.headers["Content-Type"], body)
        self._answer(200, b"")

    def _parts(self) -> tuple[str, str]:
        self.origin.requests.append(f"{self.command} {self.path}")
        _, kind, name = self.path.split("?")[0].split("/", 2)
        return kind, name

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Keep test output quiet."""


class Server(ThreadingHTTPServer):
    """Threads that end with the server."""

    daemon_threads = True


@contextmanager
def serve() -> Iterator[Origin]:
    """Run the server on a free loopback port."""
    handler = type("BoundHandler", (Handler,), {})
    server = Server(("127.0.0.1", 0), handler)
    origin = Origin(f"http://127.0.0.1:{server.server_port}")
    handler.origin = origin  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield origin
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
