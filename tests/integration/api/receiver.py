"""A receiver of webhooks that answers as it is told and keeps what it got."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web
from standardwebhooks.webhooks import Webhook as Verifier

from tests.support.server_processes import free_port


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    def verified_by(self, secret: str) -> Any:
        """The content, as the public library hands it out. Raises where the signature is wrong."""
        return Verifier(secret).verify(self.body, {k.lower(): v for k, v in self.headers.items()})


class Receiver:
    """`statuses` are answered in turn, the last one for good."""

    def __init__(self, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self._address, self._tls = address, tls
        self.port = free_port()
        self.statuses = [200]
        self.hold: asyncio.Event | None = None
        self.got: list[Received] = []

    @property
    def host(self) -> str:
        return f"{self._address}:{self.port}"

    def url(self, path: str = "/hook") -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}{path}"

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", self._take)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address, self.port, ssl_context=self._tls)
        await site.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._runner.cleanup()

    async def until(
        self, count: int, *, path: str = "/hook", seconds: float = 100
    ) -> list[Received]:
        """What came to `path`, once it is `count` requests."""
        end = time.monotonic() + seconds
        while len(found := [item for item in self.got if item.path == path]) < count:
            assert time.monotonic() < end, f"{len(found)} of {count} webhooks came"
            await asyncio.sleep(0.05)
        return found

    async def _take(self, request: web.Request) -> web.Response:
        text = await request.text()
        self.got.append(Received(request.path, dict(request.headers), text))
        if self.hold is not None:
            await self.hold.wait()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        headers = {"Location": self.url("/elsewhere")} if 300 <= status < 400 else {}
        return web.Response(status=status, headers=headers, text="the receiver's own words")
