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

from tests.integration.api.browsers import signed_in
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
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_no_answer_is_framed_runs_what_is_not_ours_or_is_kept_unasked(
    api: Api, method: str, path: str, accept: str
) -> None:
    headers = {"Accept": accept}
    async with api.http.request(method, path, headers=headers, allow_redirects=False) as answer:
        (policy,) = answer.headers.getall("Content-Security-Policy")
        directives = set(policy.split("; "))
        assert {"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= directives
        assert "unsafe" not in policy
        assert "*" not in policy
        assert answer.headers.getall("Referrer-Policy") == ["no-referrer"]
        assert answer.headers.getall("Cross-Origin-Opener-Policy") == ["same-origin"]
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        (kept,) = answer.headers.getall("Cache-Control")
        assert kept in ("no-store", "no-cache"), kept


async def test_what_is_somebodys_is_kept_by_no_cache(api: Api, tenant: Tenant) -> None:
    ada = await signed_in(api)
    for name in ("jobs", "modes", "usage", "webhooks", "jobs/0", "nothing"):
        answer = await api.call("GET", f"/api/v1/{name}", headers=tenant.headers)
        assert answer.headers["Cache-Control"] == "no-store", name
    for name in ("account", "account/keys", "account/members", "account/log", "jobs"):
        answer = await ada.call("GET", f"/api/v1/{name}")
        assert answer.headers["Cache-Control"] == "no-store", name


@pytest.mark.parametrize("path", PATHS)
async def test_no_path_repeats_a_request(api: Api, path: str) -> None:
    async with api.http.request("TRACE", path, headers={"X-Mine": "seen"}) as answer:
        assert answer.status in (404, 405)
        assert b"seen" not in await answer.read()


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
    assert "content-security-policy: default-src 'none'" in head
    assert "cache-control: no-store\r\n" in head


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
