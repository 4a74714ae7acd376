"""Which way a connection takes: through the environment's proxy, or straight there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import kopf
import pytest
import yaml
from aiohttp import web
from imagerift_api.sign_in.oidc import OidcIssuer
from imagerift_api.sign_in.sign_up import SignUpRule
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.kube import connect_kube
from imagerift_core.proxies import proxy_to
from imagerift_core.s3 import open_store
from imagerift_core.settings import SharedSettings
from imagerift_operator.handlers import login

from tests.support.server_processes import free_port

PROXY = "http://proxy.example:3128"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        # Networks, which clusters put there for their own addresses.
        ("10.0.0.0/8,.svc", "https://10.96.0.1:443", True),
        ("10.0.0.0/8,.svc", "https://11.96.0.1:443", False),
        (" 172.16.0.0/12 , 10.0.0.0/8", "https://10.96.0.1", True),
        ("10.96.0.7/12", "https://10.96.0.1", True),
        ("fd00::/8", "https://[fd00::1]:6443", True),
        ("fd00::/8", "https://[2001:db8::1]:6443", False),
        ("192.0.2.1", "https://192.0.2.1:6443", True),
        ("fd00::1", "https://[fd00::1]", True),
        # Names are not looked up, and a network's text is no name.
        ("10.0.0.0/8", "https://example.com", False),
        ("not-a-network/99,10.0.0.0/8", "https://10.1.1.1", True),
        # Names and their subdomains.
        (".svc", "http://minio.minio.svc:9000", True),
        ("svc", "http://minio.minio.svc:9000", True),
        ("example.com", "https://S3.Example.com", True),
        ("example.com", "https://notexample.com", False),
        ("example.com:8443", "https://example.com:8443", True),
        ("example.com:8443", "https://example.com", False),
        ("*", "https://example.com", True),
        ("", "https://example.com", False),
        # What a proxy would take for its own loopback.
        ("", "https://127.0.0.1:6443", True),
        ("", "https://[::1]:6443", True),
        ("", "http://localhost:9000", True),
    ],
)
def test_no_proxy_names_what_is_reached_straight(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, direct: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_to(url) == (None if direct else PROXY)


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"HTTP_PROXY": PROXY}, None),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"ALL_PROXY": PROXY}, PROXY),
        ({"HTTPS_PROXY": "http://other:1", "https_proxy": PROXY}, PROXY),
        ({"ALL_PROXY": "http://other:1", "HTTPS_PROXY": PROXY}, PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
        ({"HTTPS_PROXY": ""}, None),
    ],
)
def test_variables_name_the_proxy(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], proxy: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_to("https://example.com") == proxy


@dataclass
class Proxy:
    """A proxy that answers by itself, and what it was asked for."""

    url: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    found = Proxy(f"http://127.0.0.1:{free_port()}")

    async def answer(request: web.BaseRequest) -> web.Response:
        found.asked.append(f"{request.method} {request.url.with_query(None)}")
        await request.read()
        if "login.example" in str(request.url):
            return web.json_response(
                {
                    "issuer": "http://login.example",
                    "authorization_endpoint": "http://login.example/authorize",
                    "token_endpoint": "http://login.example/token",
                    "jwks_uri": "http://login.example/keys",
                }
            )
        return web.json_response({"kind": "Namespace", "metadata": {}}, status=200)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", int(found.url.rpartition(":")[2])).start()
        monkeypatch.setenv("HTTP_PROXY", found.url)
        yield found


def settings(endpoint: str) -> SharedSettings:
    return SharedSettings.model_validate(
        {
            "namespace": "pictures",
            "mongo_url": "mongodb://127.0.0.1",
            "s3_internal_url": endpoint,
            "s3_public_url": endpoint,
            "s3_access_key": "a",
            "s3_secret_key": "s",
        }
    )


async def test_the_object_store_is_reached_through_it(proxy: Proxy) -> None:
    async with open_store(settings("http://store.example:9000")) as store:
        await store.put("a", b"bytes", content_type="image/png")
        await store.ping()
    assert proxy.asked == [
        "PUT http://store.example:9000/imagerift/a",
        "HEAD http://store.example:9000/imagerift",
    ]


async def test_an_object_store_inside_is_reached_without_it(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    async with open_store(settings(f"http://127.0.0.1:{free_port()}")) as store:
        with pytest.raises(CapacityUnavailable):
            await store.ping()
    assert proxy.asked == []


async def test_the_issuer_of_sign_ins_is_reached_through_it(proxy: Proxy) -> None:
    async with aiohttp.ClientSession() as http:
        issuer = OidcIssuer(
            http,
            issuer="http://login.example",
            client_id="x",
            client_secret=None,
            redirect_uri="https://api.example/callback",
            sign_up=SignUpRule(),
        )
        url = await issuer.authorization_url(state="s", nonce="n", verifier="v")
    assert url.startswith("http://login.example/authorize?")
    assert proxy.asked == ["GET http://login.example/.well-known/openid-configuration"]


def kubeconfig(folder: Path, server: str) -> Path:
    path = folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    return path


async def test_the_kubernetes_api_is_reached_through_it(proxy: Proxy, tmp_path: Path) -> None:
    async with connect_kube(kubeconfig(tmp_path, "http://192.0.2.1:8001"), "pictures") as kube:
        await kube.get_job("a")
    (asked,) = proxy.asked
    assert asked.startswith("GET http://192.0.2.1:8001/apis/imagerift.dev/v1/")


@pytest.mark.parametrize(("no_proxy", "direct"), [("192.0.2.0/24", True), (".svc", False)])
def test_kopf_takes_the_same_way_to_the_kubernetes_api(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_proxy: str, direct: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, "http://192.0.2.1:8001")))
    found = login(settings=kopf.OperatorSettings())
    assert found is not None
    assert found.proxy_url == (None if direct else PROXY)
