"""An S3 endpoint before a real one that refuses to delete some objects, as a legal hold does."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from tests.support.server_processes import S3Address, free_port

_REFUSAL = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    "<Error><Code>AccessDenied</Code><Message>held by a test</Message></Error>"
)
_OF_A_HOP = {"transfer-encoding", "connection", "content-length", "content-encoding"}


class RefusingStore:
    """Passes requests on. A deletion that names one of the `held` words is refused as a whole."""

    def __init__(self, address: S3Address, http: aiohttp.ClientSession) -> None:
        self._behind = address.internal_url
        self._http = http
        self.held: set[str] = set()
        self.refused = 0

    async def pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        is_deletion = request.method == "DELETE" or "delete" in request.query
        asked = request.path + body.decode(errors="replace")
        if is_deletion and any(word in asked for word in self.held):
            self.refused += 1
            return web.Response(status=403, text=_REFUSAL, content_type="application/xml")
        # With the host that was signed.
        async with self._http.request(
            request.method,
            self._behind + request.raw_path,
            headers=request.headers,
            data=body,
            allow_redirects=False,
        ) as answer:
            headers = {k: v for k, v in answer.headers.items() if k.lower() not in _OF_A_HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)


@asynccontextmanager
async def refusing_store(address: S3Address) -> AsyncIterator[tuple[RefusingStore, S3Address]]:
    """A store before the one at `address`, and its own address."""
    port = free_port()
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        store = RefusingStore(address, http)
        application = web.Application(client_max_size=2**26)
        application.router.add_route("*", "/{path:.*}", store.pass_on)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        url = f"http://127.0.0.1:{port}"
        try:
            yield store, dataclasses.replace(address, internal_url=url)
        finally:
            await runner.cleanup()
