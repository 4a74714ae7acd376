"""What every answer says of itself, whoever gives it: a route, a refusal, the parser, a page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from imagerift_api.app import build_metrics_application
from imagerift_api.metrics import Metrics
from imagerift_core.loops import Loops

from tests.integration.api.harness import Api, Tenant, settings_of
from tests.support.server_processes import free_port

HSTS = "Strict-Transport-Security"
PATHS = [
    "/healthz",
    "/readyz",
    "/api/v1/jobs",
    "/api/v1/modes",
    "/api/v1/openapi.json",
    "/api/v1/account",
    "/api/v1/nothing",
    "/docs",
    "/developers",
    "/account",
    "/account/sign-in",
    "/static/account.js",
    "/static/nothing",
    "/nothing",
]


@pytest.fixture(scope="module")
async def secure(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with Api(settings_of(environment, public_url="https://images.example")) as api:
        await api.until_ready()
        yield api


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_no_answer_is_sniffed_or_names_its_software(
    api: Api, tenant: Tenant, method: str, path: str
) -> None:
    for headers in ({}, tenant.headers):
        async with api.http.request(method, path, headers=headers, allow_redirects=False) as answer:
            assert answer.headers.getall("X-Content-Type-Options") == ["nosniff"]
            assert answer.headers.getall("Server") == ["ImageRift"]
            assert HSTS not in answer.headers


@pytest.mark.parametrize("path", PATHS)
async def test_behind_tls_browsers_are_kept_to_it(secure: Api, path: str) -> None:
    async with secure.http.get(path, allow_redirects=False) as answer:
        assert answer.headers.getall(HSTS) == ["max-age=31536000"]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"no request at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
    ids=["path", "nonsense", "length", "long"],
)
async def test_what_the_parser_refuses_names_no_software_either(api: Api, sent: bytes) -> None:
    address = urlsplit(api.base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(sent)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    writer.close()
    assert head.startswith(("http/1.0 400", "http/1.1 400"))
    assert "server: imagerift\r\n" in head
    assert "aiohttp" not in head


async def test_the_metrics_port_names_no_software_either(api: Api) -> None:
    metrics = Metrics()
    runner = web.AppRunner(build_metrics_application(metrics, Loops()))
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        async with api.http.get(f"http://127.0.0.1:{port}/metrics") as answer:
            assert answer.status == 200
            assert answer.headers["Server"] == "ImageRift"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    finally:
        await runner.cleanup()
        metrics.close()
