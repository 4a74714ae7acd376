"""A server that is away, silent or asks for patience is `KubeUnavailable`, and in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from imagerift_core.kube import Kube, KubeUnavailable, connect_kube
from kubernetes.aio.client.exceptions import ApiException

from tests.contract.kube.bodies import job
from tests.support.server_processes import free_port

CALLS: dict[str, Callable[[Kube], Awaitable[object]]] = {
    "create": lambda kube: kube.create_job(job("x")),
    "get": lambda kube: kube.get_job("x"),
    "list": lambda kube: anext(kube.list_jobs()),
    "patch": lambda kube: kube.patch_job_status("x", {}, uid="u"),
    "cancel": lambda kube: kube.request_cancel("x"),
    "delete": lambda kube: kube.delete_job("x", uid="u"),
    "annotations": lambda kube: kube.namespace_annotations(),
    "lease": lambda kube: kube.get_lease("x"),
}


@asynccontextmanager
async def connected(folder: Path, port: int) -> AsyncIterator[Kube]:
    path = folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {"token": "secret-token"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    async with connect_kube(path, "imagerift", timeout_seconds=1) as kube:
        yield kube


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[int]:
    """A server that gives every request this answer, or none and stays connected."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
            await writer.drain()
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def trouble_of(kube: Kube, call: str) -> str:
    start = time.monotonic()
    with pytest.raises(KubeUnavailable) as trouble:
        await CALLS[call](kube)
    assert time.monotonic() - start < 60
    return str(trouble.value)


@pytest.mark.parametrize("call", CALLS)
async def test_a_server_that_is_away(tmp_path: Path, call: str) -> None:
    async with connected(tmp_path, free_port()) as kube:
        assert "secret" not in await trouble_of(kube, call)


@pytest.mark.parametrize("call", CALLS)
async def test_a_server_that_is_silent(tmp_path: Path, call: str) -> None:
    async with answering(None) as port, connected(tmp_path, port) as kube:
        await trouble_of(kube, call)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Error", "503 Away", "504 Late"])
async def test_a_server_that_asks_for_patience(tmp_path: Path, status: str) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode()
    async with answering(answer) as port, connected(tmp_path, port) as kube:
        for call in CALLS:
            assert status[:3] in await trouble_of(kube, call)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"])
async def test_a_server_that_breaks_off(tmp_path: Path, answer: bytes) -> None:
    async with answering(answer) as port, connected(tmp_path, port) as kube:
        for call in CALLS:
            await trouble_of(kube, call)


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_a_refusal_is_no_trouble_of_the_servers(tmp_path: Path, status: str) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode()
    async with answering(answer) as port, connected(tmp_path, port) as kube:
        for call in CALLS.values():
            with pytest.raises(ApiException) as refusal:
                await call(kube)
            assert refusal.value.status == int(status[:3])


async def test_a_wrong_kubeconfig_is_told_at_once(tmp_path: Path) -> None:
    path: Any = tmp_path / "gone"
    with pytest.raises(Exception, match=r"gone|config"):
        async with connect_kube(path, "imagerift"):
            pass
