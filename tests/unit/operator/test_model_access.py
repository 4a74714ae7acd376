"""Model servers know the operator by a token, which no other server is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from imagerift_core.modes import load_modes
from imagerift_core.pool_template import PoolTemplate
from imagerift_core.resources import TritonPoolSpec
from imagerift_operator.model_access import NO_TOKEN, ModelAccess
from imagerift_operator.pool_objects import deployment
from imagerift_operator.pools import Pools
from imagerift_operator.settings import OperatorSettings
from pydantic import SecretStr, ValidationError

from tests.unit.operator.builders import isolation

NOTHING: Any = None
TOKEN = "t" * 64


def access(**more: Any) -> ModelAccess:
    return ModelAccess(token=SecretStr(TOKEN), **more)


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("http://triton.gpu.svc:8000", True),
        ("http://TRITON.gpu.svc:9000", True),
        ("http://10.0.0.7:8000", True),
        ("http://10.0.0.7:8001", False),
        ("http://10.0.0.7", False),
        ("http://evil.example", False),
        ("http://triton.gpu.svc.evil.example", False),
        ("http://triton.gpu.svc@evil.example", False),
        ("http://gpu.svc", False),
    ],
)
def test_of_servers_that_others_run_only_named_ones_are_told_the_token(
    endpoint: str, told: bool
) -> None:
    trusting = access(trusted_hosts=frozenset({"triton.gpu.svc", "10.0.0.7:8000"}))
    assert trusting.token_for(endpoint, own=False) == (TOKEN if told else None)
    assert access().token_for(endpoint, own=False) is None
    assert access().token_for(endpoint, own=True) == TOKEN
    assert NO_TOKEN.token_for(endpoint, own=True) is None


def test_of_a_file_with_two_tokens_the_first_is_sent() -> None:
    both = ModelAccess(token=SecretStr(f"{TOKEN}\n{'o' * 64}\n"))
    assert both.token_for("http://x", own=True) == TOKEN


@asynccontextmanager
async def listener() -> AsyncIterator[tuple[int, list[str]]]:
    """A server that keeps the heads of the calls it has, and says that a model is ready."""
    heads: list[str] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


async def heads_of(spec: dict[str, Any], port: int, heads: list[str], **trust: Any) -> str:
    """What a pool's server at `port` has been sent by one look at it."""
    heads.clear()
    pools = Pools(
        NOTHING,
        load_modes(),
        changed=asyncio.Event(),
        isolated=isolation("pools"),
        access=access(**trust),
    )
    await pools.observe({"metadata": {"name": "p", "uid": "u"}, "spec": spec})
    await pools.set_replicas("p", {"pod": f"http://127.0.0.1:{port}"})
    for pool in pools:
        for replica in pool.replicas.values():
            assert await replica.server.ready_models(["control"]) == ["control"]
    await pools.close()
    assert heads
    return "".join(heads)


async def test_an_endpoint_of_a_pools_own_never_gets_the_token_unless_it_is_named() -> None:
    async with listener() as (port, heads):
        elsewhere = {"endpoint": f"http://127.0.0.1:{port}", "modes": ["style"]}
        made = {"template": {"image": "triton:1"}, "modes": ["style"]}
        bearer = f"Authorization: Bearer {TOKEN}"
        assert TOKEN not in await heads_of(elsewhere, port, heads)
        other = frozenset({"127.0.0.1:1", "localhost"})
        assert TOKEN not in await heads_of(elsewhere, port, heads, trusted_hosts=other)
        named = frozenset({f"127.0.0.1:{port}"})
        assert bearer in await heads_of(elsewhere, port, heads, trusted_hosts=named)
        assert bearer in await heads_of(made, port, heads)


def pod(given: ModelAccess, **template: Any) -> dict[str, Any]:
    shape = PoolTemplate.model_validate({"image": "triton:1"} | template)
    made = deployment("p", "u", shape, replicas=1, s3_origin="http://s3", access=given)
    spec: dict[str, Any] = made["spec"]["template"]["spec"]
    return spec


def test_a_server_finds_the_token_in_a_file_and_no_object_holds_it() -> None:
    spec = pod(access(secret="imagerift-models"), port=9000, metricsPort=9002)
    (container,) = spec["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    assert env["IMAGERIFT_FRONT_PORT"] == "9000"
    assert env["IMAGERIFT_FRONT_METRICS_PORT"] == "9002"
    folder, _, file = env["IMAGERIFT_FRONT_TOKEN_FILE"].rpartition("/")
    (mount,) = (m for m in container["volumeMounts"] if m["mountPath"] == folder)
    (volume,) = (v for v in spec["volumes"] if v["name"] == mount["name"])
    # The one key of it, read-only.
    assert mount["readOnly"] is True
    secret = {"secretName": "imagerift-models", "items": [{"key": file, "path": file}]}
    assert volume["secret"] == secret
    assert TOKEN not in json.dumps(spec)
    assert "IMAGERIFT_FRONT_ANYONE" not in env


def test_with_certificates_servers_are_probed_and_called_by_tls() -> None:
    given = access(secret="models", tls_secret="pairs")
    assert (given.scheme, access().scheme) == ("https", "http")
    (container,) = pod(given)["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    paths = {env["IMAGERIFT_FRONT_TLS_CERTIFICATE"], env["IMAGERIFT_FRONT_TLS_KEY"]}
    folders = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert {path.rpartition("/")[0] for path in paths} <= set(folders)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["scheme"] == "HTTPS"
        assert "scheme" not in pod(access())["containers"][0][probe]["httpGet"]


def test_no_volume_of_a_template_takes_the_name_of_one_of_ours() -> None:
    spec = pod(
        access(secret="models", tls_secret="pairs"),
        modelVolume={"claimName": "weights", "mountPath": "/weights"},
    )
    names = [volume["name"] for volume in spec["volumes"]]
    assert len(names) == 5
    for name in names:
        with pytest.raises(ValidationError, match="the operator's own"):
            pod(access(), volumes=[{"name": name, "emptyDir": {}}])


def test_a_short_token_is_no_setting_and_none_is_shown() -> None:
    needed: dict[str, Any] = {
        **{"mongo_url": "mongodb://x", "s3_internal_url": "http://x", "s3_public_url": "http://x"},
        **{"s3_access_key": "a", "s3_secret_key": "b"},
    }
    with pytest.raises(ValidationError):
        OperatorSettings(**needed, model_token="short")
    settings = OperatorSettings(**needed, model_token=TOKEN, model_token_hosts="A.example, b:1")
    assert settings.model_access().trusted_hosts == {"a.example", "b:1"}
    assert TOKEN not in repr(settings) + repr(settings.model_access())


def test_a_pools_spec_has_no_place_for_a_token() -> None:
    for more in ({"token": TOKEN}, {"headers": {"Authorization": TOKEN}}):
        with pytest.raises(ValidationError):
            TritonPoolSpec.model_validate({"endpoint": "http://x", "modes": ["style"]} | more)
