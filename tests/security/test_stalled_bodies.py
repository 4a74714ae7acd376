"""Senders that declare large bodies and do not send them: they hold up nobody else."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import pytest
from imagerift_api.http import body_reading

from tests.integration.api.harness import Api, Tenant
from tests.support.pictures import encode, picture

MIB = 1024 * 1024
# Together all of the memory for large bodies but half a MiB.
STALLED = (28 * MIB, 28 * MIB, 28 * MIB, 28 * MIB, 31 * MIB // 2)


@asynccontextmanager
async def stalled_body(api: Api, headers: dict[str, str], size: int) -> AsyncIterator[str]:
    """A submit of which one byte is sent; what the server has answered when it is over."""
    where = urlsplit(api.base_url)
    assert where.hostname is not None
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    lines = [
        "POST /api/v1/generate HTTP/1.1",
        f"Host: {where.netloc}",
        f"Content-Length: {size}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    writer.write("\r\n".join([*lines, "", "{"]).encode())
    await writer.drain()
    try:
        yield reader  # type: ignore[misc]
    finally:
        writer.close()


def large_submit() -> io.BytesIO:
    """An ordinary submit of 2 MB."""
    body = {
        "mode": "style",
        "prompt": "on marble",
        "imageBase64": encode(picture()),
        "metadata": {},
    }
    text = json.dumps(body)
    return io.BytesIO(text.encode() + b" " * (2 * MIB - len(text)))


async def submit(api: Api, tenant: Tenant) -> int:
    answer = await api.call("POST", "/api/v1/generate", data=large_submit(), headers=tenant.headers)
    return answer.status


async def test_stalled_bodies_of_one_workspace_refuse_nothing_of_another(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if they sent just fast enough.
    monkeypatch.setattr(body_reading, "_GRACE_SECONDS", 60)
    hostile, honest = await api.tenant(), await api.tenant()
    async with AsyncExitStack() as senders:
        for size in STALLED:
            await senders.enter_async_context(stalled_body(api, hostile.headers, size))
        # The first of them holds what one workspace may; the others wait for it.
        assert await submit(api, honest) == 202


async def test_who_holds_a_part_of_the_budget_has_to_send(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_reading, "_GRACE_SECONDS", 0.5)
    hostile = await api.tenant()
    async with stalled_body(api, hostile.headers, 28 * MIB) as reader:
        answer = await asyncio.wait_for(reader.read(4096), 30)  # type: ignore[attr-defined]
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"slower than 32768 bytes a second" in answer
    assert await submit(api, hostile) == 202


async def test_nobody_holds_it_without_a_credential(api: Api) -> None:
    """A sign-in is small: what is declared larger is refused before it is sent."""
    answer = await api.call(
        "POST",
        "/api/v1/account/session",
        data=io.BytesIO(b" " * (MIB + 1)),
        headers={"Origin": api.base_url, "Content-Type": "application/json"},
    )
    assert (answer.status, answer.body["code"]) == (413, "payload_too_large")
    assert "1 MiB" in answer.body["detail"]


async def test_a_workspaces_part_comes_free_for_whatever_ends_its_bodies() -> None:
    budget = body_reading.BodyBudget(100 * MIB, share=30 * MIB)

    class Request:
        content_length = 20 * MIB

    async def hold(workspace: str) -> None:
        async with budget.acquire(Request(), workspace=workspace, limit=28 * MIB):  # type: ignore[arg-type]
            raise ConnectionError

    for _ in range(10):
        with pytest.raises(ConnectionError):
            await hold("ws_a")
    assert budget._free == 100 * MIB
    assert not budget._held
