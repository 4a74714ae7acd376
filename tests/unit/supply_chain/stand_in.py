"""OSV as its documentation says it is, on loopback: batches of at most 1,000 and their pages, and
single records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

PAGE = 2
AT_ONCE = 1000


@dataclass
class StandIn:
    """`ids` by (ecosystem, name, version); `records` by id; `fails` is what it answers instead."""

    ids: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    fails: int | None = None
    batches: list[int] = field(default_factory=list)
    url: str = ""

    def knows(self, package: str, version: str, *records: dict[str, Any]) -> None:
        """Tells of holes in a package of PyPI."""
        key = ("PyPI", package, version)
        for record in records:
            self.ids.setdefault(key, []).append(record["id"])
            self.records[record["id"]] = record

    def batch(self, queries: list[dict[str, Any]]) -> dict[str, Any] | None:
        self.batches.append(len(queries))
        if len(queries) > AT_ONCE:
            return None
        return {"results": [self._result(query) for query in queries]}

    def _result(self, query: dict[str, Any]) -> dict[str, Any]:
        package = query["package"]
        ids = self.ids.get((package["ecosystem"], package["name"], query["version"]), [])
        start = int(query.get("page_token", "0"))
        shown = ids[start : start + PAGE]
        result: dict[str, Any] = {}
        if shown:
            result["vulns"] = [{"id": one, "modified": "2026-01-01T00:00:00Z"} for one in shown]
        if start + PAGE < len(ids):
            result["next_page_token"] = str(start + PAGE)
        return result


@contextmanager
def running(osv: StandIn) -> Iterator[StandIn]:
    """Serves it at `osv.url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/querybatch"
            self._answer(osv.batch(body["queries"]), otherwise=400)

        def do_GET(self) -> None:
            self._answer(osv.records.get(self.path.removeprefix("/v1/vulns/")), otherwise=404)

        def _answer(self, content: dict[str, Any] | None, *, otherwise: int) -> None:
            status = osv.fails or (200 if content is not None else otherwise)
            body = json.dumps(content if status == 200 else {"code": 5}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        osv.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield osv
        finally:
            server.shutdown()
            thread.join()
