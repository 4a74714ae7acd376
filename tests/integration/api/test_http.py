"""The HTTP around the API: refusals by the parser, compression, HEAD, errors for readers."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import aiohttp
import pytest
from imagerift_api.http.problems import KINDS

from tests.integration.api.browsers import signed_in
from tests.integration.api.harness import Api, Tenant, settings_of

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
UNREADABLE = {
    "an address of 9 kB": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header of 9 kB": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
    "a CR in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n",
    "an HTTP version that there is not": b"GET / HTTP/9.9.9\r\nHost: x\r\n\r\n",
    "a method with odd signs": b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no HTTP at all": b"hello\r\n\r\n",
    "two lengths": b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a negative length": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
}


async def raw(api: Api, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by name in lower case, and body of an answer that ends the connection."""
    host, port = api.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, body


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_cannot_be_parsed_is_a_problem_too(api: Api, name: str) -> None:
    status, headers, body = await raw(api, UNREADABLE[name])

    problem = json.loads(body)
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert (problem["code"], problem["status"]) == ("invalid_request", 400)
    assert problem["requestId"] == headers["x-request-id"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "aiohttp" not in headers["server"]
    assert "aaaa" not in problem["detail"]


@pytest.mark.parametrize("body", [b"zz\r\n{}\r\n0\r\n\r\n", b"5\r\n{}\r\n0\r\n\r\n"])
async def test_bad_chunks_are_a_problem_too(api: Api, tenant: Tenant, body: bytes) -> None:
    head = (
        "POST /api/v1/generate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        f"Authorization: Bearer {tenant.token}\r\nConnection: close\r\n\r\n"
    )
    status, headers, answer = await raw(api, head.encode() + body)

    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert json.loads(answer)["code"] == "invalid_request"


async def encoded(
    api: Api, path: str, accepted: str, **headers: str
) -> tuple[aiohttp.ClientResponse, bytes]:
    headers = {**headers, "Accept-Encoding": accepted}
    async with (
        aiohttp.ClientSession(api.base_url, auto_decompress=False) as http,
        http.get(path, headers=headers) as response,
    ):
        return response, await response.read()


async def test_large_answers_are_compressed_for_who_takes_it(api: Api) -> None:
    plain, whole = await encoded(api, "/api/v1/openapi.json", "gzip;q=0, identity")
    packed, small = await encoded(api, "/api/v1/openapi.json", "br, gzip;q=0.5")

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small) == whole
    assert len(small) < len(whole) / 5
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"


async def test_a_compressed_file_keeps_its_validator(api: Api) -> None:
    packed, _ = await encoded(api, "/static/base.css", "gzip")
    again, _ = await encoded(
        api, "/static/base.css", "gzip", **{"If-None-Match": packed.headers["ETag"]}
    )

    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["ETag"].startswith("W/")
    assert again.status == 304


@pytest.mark.parametrize("path", ["/healthz", "/static/source.webp", "/favicon.ico"])
async def test_what_gains_nothing_goes_as_it_is(api: Api, path: str) -> None:
    response, _ = await encoded(api, path, "gzip")

    assert response.status == 200
    assert "Content-Encoding" not in response.headers


async def test_answers_with_secrets_are_never_compressed(api: Api) -> None:
    ada = await signed_in(api)
    for _ in range(12):
        await ada.create_key()
    headers = ada.headers | {"Accept-Encoding": "gzip"}
    answer = await api.call("GET", "/api/v1/account/keys", headers=headers)

    assert answer.headers["Cache-Control"] == "no-store"
    assert len(json.dumps(answer.body)) > 3000
    assert "Content-Encoding" not in answer.headers


async def test_head_answers_as_get_does_without_the_body(api: Api, tenant: Tenant) -> None:
    job = (await api.generate(tenant)).body["jobId"]
    paths = ["/api/v1/jobs", f"/api/v1/jobs/{job}", "/api/v1/usage", "/api/v1/modes"]
    paths += ["/api/v1/openapi.json", "/healthz", "/readyz", "/docs", "/developers", "/robots.txt"]
    for path in paths:
        read = await api.call("GET", path, headers=tenant.headers)
        async with api.http.head(path, headers=tenant.headers) as head:
            assert (head.status, await head.read()) == (read.status, b""), path
            assert head.headers["Content-Type"] == read.headers["Content-Type"], path
            assert head.headers["X-Request-Id"], path


async def test_the_first_page_is_the_one_for_whoever_comes(api: Api) -> None:
    async with api.http.get("/", allow_redirects=False) as stranger:
        assert (stranger.status, stranger.headers["Location"]) == (303, "/developers")
    cookie = {"Cookie": "imagerift_session=x"}
    async with api.http.get("/", allow_redirects=False, headers=cookie) as known:
        assert (known.status, known.headers["Location"]) == (303, "/account")


async def test_browsers_and_crawlers_find_their_files(api: Api) -> None:
    async with api.http.get("/favicon.ico") as icon:
        assert (icon.status, icon.content_type) == (200, "image/vnd.microsoft.icon")
        assert (await icon.read())[:4] == bytes([0, 0, 1, 0])
    robots = await api.call("GET", "/robots.txt")
    assert "Disallow: /account" in robots.body


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/no-such-page", 404), ("POST", "/developers", 405)]
)
async def test_readers_see_a_page_and_programs_a_problem(
    api: Api, method: str, path: str, status: int
) -> None:
    page = await api.call(method, path, headers=BROWSER)
    problem = await api.call(method, path)
    data = await api.call("GET", "/api/v1/no-such-call", headers=BROWSER)

    assert (page.status, page.headers["Content-Type"].split(";")[0]) == (status, "text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Request-Id"] in page.body
    assert "<script" not in page.body
    assert "{{" not in page.body
    for headers in (problem.headers, data.headers):
        assert headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("code", KINDS)
async def test_every_code_has_its_page_here(api: Api, code: str) -> None:
    page = await api.call("GET", f"/problems/{code}", headers=BROWSER)
    data = await api.call("GET", f"/problems/{code}", headers={"Accept": "application/json"})

    assert (page.status, page.headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert code in page.body
    assert "{{" not in page.body
    assert (data.status, data.body["code"], data.body["status"]) == (200, code, KINDS[code][0])


async def test_the_type_of_a_problem_is_such_a_page(
    api: Api, environment: dict[str, str], tmp_path: Path
) -> None:
    problem = (await api.call("GET", "/api/v1/nothing")).body
    assert (await api.call("GET", problem["type"])).status == 200
    index = await api.call("GET", "/problems", headers=BROWSER)
    assert all(f"/problems/{code}" in index.body for code in KINDS)
    async with Api(settings_of(environment, public_url="https://images.example.com")) as public:
        named = (await public.call("GET", "/api/v1/nothing")).body["type"]
    assert named == "https://images.example.com/problems/not_found"


async def test_the_documents_own_example_is_taken(api: Api, tenant: Tenant) -> None:
    document = (await api.call("GET", "/api/v1/openapi.json")).body
    content = document["paths"]["/api/v1/generate"]["post"]["requestBody"]["content"]

    answer = await api.call(
        "POST",
        "/api/v1/generate",
        json=next(iter(content["application/json"]["examples"].values()))["value"],
        headers=tenant.headers,
    )

    assert answer.status == 202, answer.body
