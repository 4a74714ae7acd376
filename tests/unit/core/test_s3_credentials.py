"""A role in the place of keys: botocore's own providers, against endpoints of the published form.

The token service answers AssumeRoleWithWebIdentity as in the reference of AWS STS, the agent of EKS
Pod Identity as in the reference of container credentials (`AWS_CONTAINER_CREDENTIALS_FULL_URI`).
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from imagerift_core import s3_credentials
from imagerift_core.clock import now
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.s3 import ObjectStore, open_store
from imagerift_core.settings import SharedSettings
from pydantic import SecretStr, ValidationError

from tests.support.server_processes import free_port

ROLE = "arn:aws:iam::123456789012:role/imagerift"
TOKEN = "a.projected.token"
STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <Credentials>
      <AccessKeyId>{key}</AccessKeyId>
      <SecretAccessKey>{secret}</SecretAccessKey>
      <SessionToken>{token}</SessionToken>
      <Expiration>{ends}</Expiration>
    </Credentials>
    <AssumedRoleUser>
      <Arn>arn:aws:sts::123456789012:assumed-role/imagerift/x</Arn>
      <AssumedRoleId>AROA:x</AssumedRoleId>
    </AssumedRoleUser>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>"""


@dataclass
class Cloud:
    """Token service, agent and bucket in one; its n-th credentials are named by their number."""

    url: str
    # How long the next credentials hold, one after another; the last for all that follow.
    lifetimes: list[timedelta] = field(default_factory=lambda: [timedelta(hours=1)])
    away: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)
    bucket_headers: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/agent":
            return self._agent(dict(request.headers))
        if request.method == "POST":
            return self._sts(parse_qs(await request.text()))
        self.bucket_headers.append(dict(request.headers))
        return web.Response()

    def _next(self, asked: dict[str, str]) -> dict[str, str]:
        self.asked.append(asked)
        number = len(self.asked)
        ends = now() + self.lifetimes[min(number, len(self.lifetimes)) - 1]
        return {
            "key": f"KEY{number}",
            "secret": f"secret{number}",
            "token": f"session/{number}",
            "ends": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
        }

    def _agent(self, headers: dict[str, str]) -> web.Response:
        if self.away:
            return web.Response(status=500)
        given = self._next(headers)
        document = {
            "AccessKeyId": given["key"],
            "SecretAccessKey": given["secret"],
            "Token": given["token"],
            "Expiration": given["ends"],
        }
        return web.json_response(document)

    def _sts(self, form: dict[str, list[str]]) -> web.Response:
        given = self._next({name: values[0] for name, values in form.items()})
        return web.Response(text=STS.format(**given), content_type="text/xml")


@pytest.fixture
async def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Cloud]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(s3_credentials, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(s3_credentials, "RETRY_SECONDS", 0.02)
    (tmp_path / "token").write_text(TOKEN)
    port = free_port()
    found = Cloud(f"http://127.0.0.1:{port}")
    runner = web.ServerRunner(web.Server(found.answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield found
    await runner.cleanup()


@pytest.fixture
def web_identity(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", cloud.url)


@pytest.fixture
def pod_identity(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{cloud.url}/agent")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))


def settings(cloud: Cloud, **more: Any) -> SharedSettings:
    return SharedSettings(
        mongo_url=SecretStr("mongodb://127.0.0.1/"),
        s3_internal_url=cloud.url,
        s3_public_url="https://s3.example",
        s3_bucket="pictures",
        **more,
    )


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def opened(stack: AsyncExitStack, cloud: Cloud) -> ObjectStore:
    return await stack.enter_async_context(open_store(settings(cloud)))


def signed(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def until_signed_by(store: ObjectStore, key: str) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                credential = signed(store.presign_get("k", seconds=60))["X-Amz-Credential"]
            except CapacityUnavailable:
                credential = ""
            if credential.startswith(f"{key}/"):
                return
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("web_identity")
async def test_a_web_identity_signs_with_its_session(cloud: Cloud, stack: AsyncExitStack) -> None:
    store = await opened(stack, cloud)
    for url in (
        store.presign_get("k", seconds=60),
        store.presign_put("k", content_type="image/png", seconds=60),
        store.presign_download("k", filename="a.png", seconds=60),
    ):
        assert signed(url)["X-Amz-Security-Token"] == "session/1"
        assert signed(url)["X-Amz-Credential"].startswith("KEY1/")
    form = store.presign_post("k", content_type="image/png", max_bytes=1, seconds=60)
    policy = json.loads(base64.b64decode(form.fields["policy"]))
    assert form.fields["x-amz-security-token"] == "session/1"
    assert {"x-amz-security-token": "session/1"} in policy["conditions"]
    (asked,) = cloud.asked
    assert asked["Action"] == "AssumeRoleWithWebIdentity"
    assert (asked["RoleArn"], asked["WebIdentityToken"]) == (ROLE, TOKEN)
    # Calls of the client are signed by the same session.
    await store.ping()
    assert cloud.bucket_headers[-1]["X-Amz-Security-Token"] == "session/1"


@pytest.mark.usefixtures("pod_identity")
async def test_the_agent_of_a_pod_identity_is_asked_with_the_pods_token(
    cloud: Cloud, stack: AsyncExitStack
) -> None:
    store = await opened(stack, cloud)
    assert signed(store.presign_get("k", seconds=60))["X-Amz-Security-Token"] == "session/1"
    assert cloud.asked[0]["Authorization"] == TOKEN


@pytest.mark.usefixtures("pod_identity")
async def test_credentials_are_renewed_before_they_end(cloud: Cloud, stack: AsyncExitStack) -> None:
    cloud.lifetimes = [timedelta(minutes=14), timedelta(hours=1)]
    store = await opened(stack, cloud)
    await until_signed_by(store, "KEY2")
    await store.ping()
    assert cloud.bucket_headers[-1]["X-Amz-Security-Token"] == "session/2"
    # Those hold for long.
    await asyncio.sleep(0.1)
    assert len(cloud.asked) == 2


@pytest.mark.usefixtures("web_identity")
async def test_a_link_holds_no_longer_than_what_signed_it(
    cloud: Cloud, stack: AsyncExitStack
) -> None:
    cloud.lifetimes = [timedelta(minutes=20)]
    store = await opened(stack, cloud)
    assert 1_100 < store.lifetime(86_400) <= 1_200
    url = store.presign_download("k", filename="a.png", seconds=86_400)
    assert 1_100 < int(signed(url)["X-Amz-Expires"]) <= 1_200
    assert signed(store.presign_get("k", seconds=60))["X-Amz-Expires"] == "60"
    form = store.presign_post("k", content_type="image/png", max_bytes=1, seconds=86_400)
    policy = json.loads(base64.b64decode(form.fields["policy"]))
    ends = datetime.fromisoformat(policy["expiration"]) - now()
    assert timedelta(minutes=18) < ends <= timedelta(minutes=20)


@pytest.mark.usefixtures("pod_identity")
async def test_a_cloud_that_is_away_at_the_start_is_waited_for(
    cloud: Cloud, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.away = True
    store = await opened(stack, cloud)
    with pytest.raises(CapacityUnavailable, match="credentials are not to be had"):
        store.presign_get("k", seconds=60)
    with pytest.raises(CapacityUnavailable):
        await store.ping()
    cloud.away = False
    await until_signed_by(store, "KEY1")
    # And once they have ended, nothing is signed that nobody would take.
    monkeypatch.setattr(s3_credentials, "now", lambda: now() + timedelta(hours=2))
    cloud.away = True
    with pytest.raises(CapacityUnavailable, match="have ended"):
        store.presign_get("k", seconds=60)


async def test_without_keys_and_without_a_cloud_nothing_is_signed(
    cloud: Cloud, stack: AsyncExitStack
) -> None:
    store = await opened(stack, cloud)
    with pytest.raises(CapacityUnavailable, match="not to be had"):
        store.presign_get("k", seconds=60)


async def test_the_settings_own_keys_go_first(
    cloud: Cloud, stack: AsyncExitStack, web_identity: None
) -> None:
    keys = {"s3_access_key": SecretStr("mine"), "s3_secret_key": SecretStr("secret")}
    store = await stack.enter_async_context(open_store(settings(cloud, **keys)))
    url = signed(store.presign_get("k", seconds=86_400))
    assert url["X-Amz-Credential"].startswith("mine/") and url["X-Amz-Expires"] == "86400"
    assert "X-Amz-Security-Token" not in url and cloud.asked == []


def test_one_key_alone_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="both s3_access_key and s3_secret_key"):
        settings(Cloud("http://127.0.0.1:1"), s3_access_key=SecretStr("mine"))


def test_model_servers_are_told_the_origin_that_names_the_bucket() -> None:
    cloud = Cloud("http://store.example:9000")
    assert settings(cloud).s3_internal_origin == "http://store.example:9000"
    virtual = settings(cloud, s3_addressing="virtual")
    assert virtual.s3_internal_origin == "http://pictures.store.example:9000"
