"""A proxy before a real API server that makes it impatient: 429, slow answers, lost watches."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import ssl
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

from tests.support.tcp_links import opened_links

_HOP_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding"}
_GONE = (
    b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","code":410,"reason":"Expired"}}\n'
)


@contextmanager
def impatient(kubeconfig: Path, written: Path) -> Iterator[ImpatientServer]:
    """Runs a proxy before the server of `kubeconfig`, and writes one that leads to it."""
    with opened_links() as links:
        server = ImpatientServer(kubeconfig)
        links.run(server.start())
        written.write_text(server.kubeconfig())
        try:
            yield server
        finally:
            links.run(server.stop())


class ImpatientServer:
    """Passes requests to the server of a kubeconfig, with its client certificate.

    `refused` is the share of requests answered with 429, `pause` the seconds before the others
    are passed on. `muted` watches stay open and say nothing; `expire_watches` ends every watch
    with 410 Gone.
    """

    def __init__(self, kubeconfig: Path, *, seed: int = 1) -> None:
        self.refused = 0.0
        self.pause = 0.0
        self.muted = False
        self.answered: Counter[int] = Counter()
        self.port = 0
        self._random = random.Random(seed)
        access = yaml.safe_load(kubeconfig.read_text())
        cluster, user = access["clusters"][0]["cluster"], access["users"][0]["user"]
        self._server = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile() as pair:
            for part in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(user[part]))
            pair.flush()
            self._tls.load_cert_chain(pair.name)
        self._watches: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self._expire()
        await self._runner.cleanup()
        await self._session.close()

    def kubeconfig(self) -> str:
        """The text of a kubeconfig that leads here."""
        cluster = {"name": "slow", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}
        context = {"name": "slow", "context": {"cluster": "slow", "user": "nobody"}}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [cluster],
                "users": [{"name": "nobody", "user": {}}],
                "contexts": [context],
                "current-context": "slow",
            }
        )

    def expire_watches(self) -> None:
        self._loop.call_soon_threadsafe(self._expire)

    def _expire(self) -> None:
        for watch in self._watches:
            watch.set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self._random.random() < self.refused:
            self.answered[429] += 1
            return web.json_response(
                {"kind": "Status", "apiVersion": "v1", "code": 429, "reason": "TooManyRequests"},
                status=429,
                headers={"Retry-After": "1"},
            )
        await asyncio.sleep(self.pause)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_HEADERS}
        async with self._session.request(
            request.method,
            self._server + request.raw_path,
            headers=headers,
            # An empty body would be given a content type, which the server does not take.
            data=await request.read() or None,
        ) as answer:
            self.answered[answer.status] += 1
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.content_type
            await response.prepare(request)
            if request.query.get("watch") in {"true", "1"}:
                await self._pass_watch(answer, response)
            else:
                await response.write(await answer.read())
            await response.write_eof()
            return response

    async def _pass_watch(
        self, answer: aiohttp.ClientResponse, response: web.StreamResponse
    ) -> None:
        expired = asyncio.Event()
        self._watches.add(expired)
        ended = asyncio.ensure_future(expired.wait())
        try:
            while True:
                line = asyncio.ensure_future(answer.content.readline())
                await asyncio.wait({line, ended}, return_when=asyncio.FIRST_COMPLETED)
                if ended.done():
                    line.cancel()
                    await response.write(_GONE)
                    return
                if not line.result():
                    return
                if not self.muted:
                    await response.write(line.result())
        finally:
            ended.cancel()
            self._watches.discard(expired)
