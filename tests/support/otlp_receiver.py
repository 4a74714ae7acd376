"""A real OTLP/HTTP endpoint for traces: what is sent to it is kept, one span a line of JSON."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict, Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

_PATH = "/v1/traces"
_JSON = "application/json"
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as it left its process; ids are hex, times nanoseconds."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    failed: bool
    attributes: dict[str, Any]


@contextmanager
def receiving(kept: Path) -> Iterator[str]:
    """Runs the endpoint on a free port of loopback; yields its base address."""
    writing = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            kind = self.headers["Content-Type"].partition(";")[0]
            if self.path != _PATH or kind not in _READERS:
                self._answer(404 if self.path != _PATH else 415, kind, b"")
                return
            request = _READERS[kind](body)
            with writing, kept.open("a") as lines:
                for span in _spans(request):
                    lines.write(json.dumps(span) + "\n")
            # An empty protobuf message has no bytes.
            self._answer(200, kind, b"{}" if kind == _JSON else b"")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    kept.touch()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def read_spans(kept: Path) -> list[ReceivedSpan]:
    """Every span received so far."""
    return [ReceivedSpan(**json.loads(line)) for line in kept.read_text().splitlines()]


def _from_protobuf(body: bytes) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    return request


def _from_json(body: bytes) -> ExportTraceServiceRequest:
    # OTLP's JSON writes ids in hex, where protobuf's own mapping wants base64.
    def mapped(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {
            key: base64.b64encode(bytes.fromhex(value)).decode() if key in _IDS else value
            for key, value in pairs
        }

    return Parse(
        json.dumps(json.loads(body, object_pairs_hook=mapped)),
        ExportTraceServiceRequest(),
        ignore_unknown_fields=True,
    )


_READERS: dict[str, Callable[[bytes], ExportTraceServiceRequest]] = {
    "application/x-protobuf": _from_protobuf,
    _JSON: _from_json,
}


def _spans(request: ExportTraceServiceRequest) -> Iterator[dict[str, Any]]:
    for group in request.resource_spans:
        service = _attributes(group.resource).get("service.name", "")
        for scope in group.scope_spans:
            for span in scope.spans:
                # Events and links too, so that a search for secrets sees all that was sent.
                more = MessageToDict(span)
                extra = {key: more[key] for key in ("events", "links") if key in more}
                yield {
                    "service": service,
                    "name": span.name,
                    "trace_id": span.trace_id.hex(),
                    "span_id": span.span_id.hex(),
                    "parent_id": span.parent_span_id.hex(),
                    "start": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano,
                    "failed": span.status.code == span.status.STATUS_CODE_ERROR,
                    "attributes": _attributes(span) | extra,
                }


def _attributes(holder: Any) -> dict[str, Any]:
    found = {}
    for pair in holder.attributes:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind) if kind else None
        found[pair.key] = value if isinstance(value, str | int | float | bool) else str(value)
    return found
