"""Where webhooks may go: every spelling of a place that they must not reach."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from imagerift_core.egress import Egress, GuardedResolver, UrlRefused
from imagerift_core.errors import InvalidRequest
from imagerift_core.host_names import HostNames
from yarl import URL

from tests.support.name_server import FAILING, NameServer
from tests.support.server_processes import free_port

CLUSTER = (ipaddress.ip_network("8.8.4.0/24"), ipaddress.ip_network("2a00:1450::/32"))
EGRESS = Egress(refused_networks=CLUSTER)


async def check(text: str, *, param: str = "url") -> URL:
    return await EGRESS.check(text, param=param, workspace="ws_1")


@pytest.fixture
def names(names: NameServer, monkeypatch: pytest.MonkeyPatch) -> NameServer:
    """The name server, and an egress that has asked it for nothing yet."""
    monkeypatch.setattr(EGRESS, "_names", HostNames())
    return names


REFUSED_ADDRESSES = [
    "0.0.0.0",  # noqa: S104
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "168.63.129.16",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.192",
    "192.31.196.1",
    "192.52.193.1",
    "192.175.48.1",
    "100.100.100.200",
    "161.26.0.10",
    "166.11.255.254",
    "199.36.153.4",
    "199.36.153.11",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "8.8.4.4",
    "::",
    "::1",
    "::7f00:1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2620:4f:8000::1",
    "3ffe::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "2a00:1450::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "2606:4700::1%1",
    "fec0::1",
    "ff02::1",
]

REFUSED_URLS = [
    "",
    "hook",
    "/hook",
    "http://example.com/hook",
    "ftp://example.com/",
    "file:///etc/passwd",
    "https://",
    "https:///hook",
    "https://user@example.com/",
    "https://user:word@example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com /",
    "https://example.com/\r\nHost: x",
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://0/",
    "https://00000/",
    "https://%31%32%37.0.0.1/",
    "https://１２７.０.０.１/",
    "https://①②⑦.⓪.⓪.①/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:a9fe:a9fe]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00:ec2::254]/",
    "https://./",
    "https://example.com:80/",
    "https://example.com:22/",
    "https://example.com:0/",
    "https://example.com:8080/",
    "https://example.com:65535/",
    "https://1.1.1.1:444/",
    f"https://example.com/{'x' * 2048}",
]

# Names of a machine's or a network's own, which are never asked for.
LOCAL_NAMES = [
    "https://mongodb/",
    "https://mongodb./",
    "https://mongodb.imagerift.svc/",
    "https://mongodb.imagerift.svc./",
    "https://MONGODB.imagerift.SVC.cluster.local/",
    "https://mongodb.imagerift.svc.cluster.local./",
    "https://mongodb。imagerift。svc/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://ip-10-0-0-1.ec2.internal:8443/",
    "https://app.localhost/",
    "https://router.lan/",
    "https://nas.home.arpa/",
    "https://wiki.intranet/",
    "https://git.corp/",
    "https://abcdef.onion/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://localhost:8443/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "https://%6cocalhost/",
]


@pytest.mark.parametrize("text", REFUSED_ADDRESSES)
def test_no_address_that_is_not_public_is_let_through(text: str) -> None:
    with pytest.raises(UrlRefused):
        EGRESS.vet(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111"])
def test_public_addresses_are_let_through(text: str) -> None:
    EGRESS.vet(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", REFUSED_URLS, ids=repr)
def test_no_url_of_another_form_is_let_through(text: str) -> None:
    with pytest.raises(UrlRefused):
        EGRESS.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com",
        "https://example.com:8443/hook?x=1",
        "https://xn--bcher-kva.example/",
        "https://1.1.1.1/hook",
        "https://[2606:4700:4700::1111]/hook",
    ],
)
def test_ordinary_urls_are_let_through(text: str) -> None:
    assert EGRESS.parse(text).host


@pytest.mark.parametrize("text", LOCAL_NAMES)
async def test_local_names_are_refused_by_any_spelling_and_never_asked_for(
    text: str, names: NameServer
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await check(text, param="webhookUrl")
    assert refusal.value.param == "webhookUrl"
    assert names.asked == []


async def test_every_refused_host_is_told_the_same(names: NameServer) -> None:
    """So that nobody learns which names there are inside, and which there are not."""
    said = set()

    async def refused(text: str) -> None:
        with pytest.raises(InvalidRequest) as refusal:
            await check(text)
        said.add(refusal.value.message)

    for text in (*LOCAL_NAMES, "https://10.0.0.1/", "https://127.1/", "https://[fd00::1]/"):
        await refused(text)
    await refused("https://8.8.4.4/")
    await refused(f"https://{'x' * 64}.example/")
    for answer in ("10.0.0.1", "127.0.0.1", "169.254.169.254", "8.8.4.4", "fd00::1", "::1"):
        names.says("hook.example.", answer)
        await refused("https://hook.example/")
    await refused("https://nothing.example/")
    names.says("no-address.example.")
    await refused("https://no-address.example/")

    assert said == {"url is refused: its host is not on the public internet."}


@pytest.mark.parametrize("host", ["hook.example", "hook.example.", "HOOK.example"])
async def test_names_are_asked_for_as_they_are_in_no_search_domain(
    host: str, names: NameServer
) -> None:
    names.says("hook.example.", "1.1.1.1")
    await check(f"https://{host}/")
    await GuardedResolver(EGRESS).resolve(host, 443)
    assert names.asked == ["hook.example."] * 2
    with pytest.raises(InvalidRequest):
        await check("https://nothing.example/")
    assert names.asked[2:] == ["nothing.example."]


@pytest.mark.parametrize(
    "answer", ["127.0.0.1", "169.254.169.254", "::1", "1.1.1.1 10.0.0.1", "8.8.4.4", "fd00::1"]
)
async def test_a_name_that_resolves_to_such_an_address_is_refused(
    answer: str, names: NameServer
) -> None:
    names.says("hook.example.", answer)
    with pytest.raises(InvalidRequest):
        await check("https://hook.example/")
    resolver = GuardedResolver(EGRESS)
    with pytest.raises(UrlRefused):
        await resolver.resolve("hook.example", 443, socket.AF_UNSPEC)


async def test_a_name_that_does_not_exist_is_refused_and_one_in_doubt_is_not(
    names: NameServer,
) -> None:
    with pytest.raises(InvalidRequest):
        await check("https://nothing.example/")
    names.says("broken.example.", FAILING)
    await check("https://broken.example/")


async def test_the_address_that_was_vetted_is_the_one_connected_to(
    names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that says something public first and loopback later gains nothing: it is asked
    once, and a connection goes to that answer."""
    reached = []

    async def answer(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response()

    application = web.Application()
    application.router.add_route("*", "/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    names.says("rebind.example.", "192.88.100.1", "127.0.0.1")
    loop = asyncio.get_running_loop()
    connected: list[Any] = []

    async def connect(sock: socket.socket, address: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(loop, "sock_connect", connect)
    connector = aiohttp.TCPConnector(resolver=GuardedResolver(EGRESS), use_dns_cache=False)
    async with aiohttp.ClientSession(connector=connector) as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.post(f"https://rebind.example:{port}/")
    await runner.cleanup()

    assert names.asked == ["rebind.example."]
    assert connected == [("192.88.100.1", port)]
    assert reached == []


def test_a_development_exception_is_that_host_and_port_alone() -> None:
    egress = Egress(
        allowed_hosts=frozenset({"127.0.0.1:9000", "[::1]:9001"}), refused_networks=CLUSTER
    )
    assert egress.parse("http://127.0.0.1:9000/hook")
    assert egress.parse("http://[::1]:9001/hook")
    for text in (
        "http://127.0.0.1:9001/hook",
        "https://127.0.0.1/hook",
        "http://127.0.0.2:9000/hook",
        "http://localhost:9000/hook",
        "http://[::1]:9000/hook",
        "http://user@127.0.0.1:9000/",
    ):
        with pytest.raises(UrlRefused):
            egress.parse(text)


def test_a_refusal_tells_no_part_of_the_address(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(UrlRefused) as refusal:
        EGRESS.parse("https://127.0.0.1/hook?secret=hunter2")
    assert "hunter2" not in str(refusal.value)
    assert "hunter2" not in caplog.text
