"""Bytes that are no text, in everything that a request can hold beside its body: never a 5xx."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from imagerift_api.http.operations import Operation
from imagerift_api.openapi.document import document_path

from tests.integration.api.browsers import Browser, browser_of, signed_in
from tests.integration.api.harness import Api, settings_of
from tests.integration.api.test_access import OPERATIONS, named
from tests.support.pictures import encode, picture

LATIN_1, NO_TEXT, SURROGATE, UTF_8 = b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80", "é€".encode()
ODD = {"latin-1": LATIN_1, "no-text": NO_TEXT, "surrogate": SURROGATE, "utf-8": UTF_8}
# All that anything in the API reads; of a session's cookie and of a key, also the right beginning.
HEADERS = {
    "Host": b"%s",
    "Origin": b"%s",
    "Cookie": b"imagerift_session=%s",
    "X-CSRF-Token": b"%s",
    "Authorization": b"Bearer ir_live_%s",
    "Idempotency-Key": b"%s",
    "Prefer": b"wait=%s",
    "Last-Event-ID": b"%s",
    "If-None-Match": b'"%s"',
    "Accept": b"%s",
    "Accept-Encoding": b"%s",
    "Content-Type": b"application/json; charset=%s",
    "Content-Encoding": b"%s",
    "Expect": b"%s",
    "User-Agent": b"%s",
    "X-Forwarded-For": b"%s",
    "X-Request-Id": b"%s",
    "traceparent": b"00-%s-00f067aa0ba902b7-01",
    "tracestate": b"%s",
}
SUBMIT = {"mode": "style", "prompt": "p", "imageBase64": encode(picture(size=(16, 16)))}
BODIES: dict[str, Any] = {
    "generate": SUBMIT,
    "makeBatch": {"jobs": [SUBMIT]},
    "makeUpload": {"sizeBytes": 10, "contentType": "image/png"},
    "createKey": {"name": "k"},
    "createWebhook": {"url": "https://127.0.0.1/"},
}


async def status_of(
    api: Api, method: str, target: str, headers: dict[str, bytes], body: Any = None
) -> int:
    """The status of a request that is sent byte by byte as it is here."""
    parts = urlsplit(api.base_url)
    sent = b"" if body is None else json.dumps(body).encode()
    whole = {
        "Host": parts.netloc.encode(),
        "Content-Length": str(len(sent)).encode(),
        "Connection": b"close",
    } | headers
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1")]
    lines += [name.encode() + b": " + value for name, value in whole.items()]
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + sent)
        answer = await reader.readuntil(b"\r\n")
    finally:
        writer.close()
    return int(answer.split()[1])


@pytest.fixture(scope="module")
async def site(environment: dict[str, str]) -> AsyncIterator[tuple[Api, Browser]]:
    settings = settings_of(environment, account_requests_per_minute=100_000, forwarded_hops=1)
    async with Api(settings) as api:
        await api.until_ready()
        yield api, await signed_in(api)


class Visitor:
    """Calls an operation as somebody signed in, by another session once one may have ended."""

    def __init__(self, browser: Browser, operation: Operation) -> None:
        self._browser = browser
        self._operation = operation
        self._session: dict[str, bytes] = {}

    async def status_of(self, target: str, headers: dict[str, bytes]) -> int:
        browser, operation = self._browser, self._operation
        if not self._session:
            fresh = await browser_of(browser.api, browser.person, browser.workspace)
            self._session = {name: value.encode() for name, value in fresh.headers.items()}
        body = None if operation.body is None else BODIES.get(operation.name, {})
        whole = self._session | headers
        status = await status_of(browser.api, operation.method, target, whole, body)
        if status == 401 or (status < 400 and operation.method != "GET"):
            self._session = {}
        return status


def target_of(operation: Operation, name: str = "nothing") -> str:
    path = document_path(operation.path)
    for part in path.split("/"):
        if part.startswith("{"):
            path = path.replace(part, name)
    return path


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_no_header_is_a_fault_of_ours(
    site: tuple[Api, Browser], operation: Operation
) -> None:
    visitor = Visitor(site[1], operation)
    for header, form in HEADERS.items():
        for odd in ODD.values():
            headers = {header: form.replace(b"%s", odd)}
            status = await visitor.status_of(target_of(operation), headers)
            assert status < 500, (header, odd, status)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
@pytest.mark.parametrize("odd", ["%ff%fe", "%ed%a0%80", "%00", "%", "%zz", "\xff\xfe"])
async def test_no_address_is_a_fault_of_ours(
    site: tuple[Api, Browser], operation: Operation, odd: str
) -> None:
    visitor = Visitor(site[1], operation)
    bare = target_of(operation)
    for target in (
        target_of(operation, odd),
        f"{bare}?{odd}=1",
        *(f"{bare}?{name}={odd}" for name in ("cursor", "limit", "status", "period", "metadata.a")),
    ):
        status = await visitor.status_of(target, {})
        assert status < 500, (target, status)


@pytest.mark.parametrize("odd", ODD)
async def test_no_page_and_no_sign_in_is_a_fault_of_ours(
    site: tuple[Api, Browser], odd: str
) -> None:
    api, _ = site
    quoted = "".join(f"%{byte:02x}" for byte in ODD[odd])
    callback = "/account/sign-in/callback"
    for target in (
        "/developers",
        "/account",
        f"/static/{quoted}",
        f"/previews/{quoted}",
        f"/{quoted}",
        f"{callback}?state={quoted}&code={quoted}&iss={quoted}",
    ):
        for header, form in HEADERS.items():
            headers = {header: form.replace(b"%s", ODD[odd])}
            assert await status_of(api, "GET", target, headers) < 500, (target, header)


@pytest.mark.parametrize("odd", ODD)
async def test_a_host_and_an_origin_that_agree_are_no_fault_of_ours(
    site: tuple[Api, Browser], odd: str
) -> None:
    api, browser = site
    headers = {name: value.encode() for name, value in browser.headers.items()}
    headers |= {"Host": ODD[odd], "Origin": b"http://" + ODD[odd]}
    for path in ("/api/v1/account/invitations", "/api/v1/account/keys"):
        assert await status_of(api, "POST", path, headers, {"name": "k"}) < 500
    assert await status_of(api, "POST", "/api/v1/account/invitations", headers, {}) < 500
