"""A tiny API whose answers a test writes down beforehand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.server_processes import free_port

_NEVER: tuple[int, Any, dict[str, str]] = (0, None, {})
JOB_ID = "9c2d1e1a-4b6e-4a7d-8d0a-2d5a0e7f0c11"


def job(status: str = "queued", **fields: Any) -> dict[str, Any]:
    return {
        "jobId": JOB_ID,
        "status": status,
        "outputs": [],
        "queue": {"position": None, "etaSeconds": None, "reason": None},
        "createdAt": "2026-11-22T12:00:00.000Z",
        "downloadUrl": None,
        "error": None,
    } | fields


@dataclass
class FakeApi:
    """Answers in order; `seen` keeps (method, path with query, headers, body)."""

    url: str
    answers: list[tuple[int, Any, dict[str, str]] | None] = field(default_factory=list)
    seen: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    taken: asyncio.Event = field(default_factory=asyncio.Event)

    def will_answer(
        self, content: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self.answers.append((status, content, headers or {}))

    def will_hang_up(self) -> None:
        """Takes the next request and closes the connection without a word."""
        self.answers.append(None)

    def will_answer_never(self) -> None:
        """Takes the next request and keeps it until the other side has gone."""
        self.answers.append(_NEVER)

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        body = json.loads(text) if text else None
        self.seen.append((request.method, request.path_qs, dict(request.headers), body))
        self.taken.set()
        answer = self.answers.pop(0)
        if answer is _NEVER:
            await asyncio.Event().wait()
        if answer is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        status, content, headers = answer
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return web.Response(status=status, body=data, headers=headers)


@asynccontextmanager
async def fake_api() -> AsyncIterator[FakeApi]:
    port = free_port()
    api = FakeApi(f"http://127.0.0.1:{port}")
    application = web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield api
    await runner.cleanup()
