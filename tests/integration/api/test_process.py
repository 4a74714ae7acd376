"""The API as a process: killed between two steps, and asked to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from imagerift_core.jobs import Status
from imagerift_core.mongo.job_lists import JobFilter

from tests.integration.api.harness import Api, Tenant
from tests.support.pictures import encode, picture
from tests.support.server_processes import free_port

BODY = json.dumps({"mode": "style", "prompt": "p", "imageBase64": encode(picture())})


class ApiProcess:
    def __init__(self, child: asyncio.subprocess.Process, port: int, metrics_port: int) -> None:
        self.child = child
        self.url = f"http://127.0.0.1:{port}"
        self.metrics_url = f"http://127.0.0.1:{metrics_port}/metrics"


@asynccontextmanager
async def running(
    environment: dict[str, str], log: Path, **variables: str
) -> AsyncIterator[ApiProcess]:
    port, metrics_port = free_port(), free_port()
    with log.open("wb") as target:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "imagerift_api",
            stdout=target,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ
            | environment
            | {
                "IMAGERIFT_API_PORT": str(port),
                "IMAGERIFT_API_METRICS_PORT": str(metrics_port),
            }
            | variables,
        )
    process = ApiProcess(child, port, metrics_port)
    try:
        async with asyncio.timeout(200), aiohttp.ClientSession() as http:
            while not await _ready(http, process.url):
                assert child.returncode is None
                await asyncio.sleep(0.05)
        yield process
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def _ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/readyz") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


@pytest.mark.parametrize(
    ("point", "accepted"),
    [("api-source-stored", 0), ("api-admitted", 1), ("api-resource-created", 1)],
)
async def test_killed_between_two_steps_a_submit_is_accepted_whole_or_not_at_all(
    *,
    api: Api,
    tenant: Tenant,
    environment: dict[str, str],
    tmp_path: Path,
    point: str,
    accepted: int,
) -> None:
    (tmp_path / point).touch()
    async with (
        running(environment, tmp_path / "log", IMAGERIFT_CRASH_DIR=str(tmp_path)) as process,
        aiohttp.ClientSession() as http,
    ):
        with pytest.raises(aiohttp.ClientError):
            await http.post(f"{process.url}/api/v1/generate", data=BODY, headers=tenant.headers)
        assert await process.child.wait() == -signal.SIGKILL

    assert len(await api.stored(tenant)) == 1
    assert await api.counted(tenant) == (0, accepted)
    page = await api.stores.jobs.page(JobFilter(workspace=tenant.workspace), limit=10)
    assert [record.status for record in page.records] == [Status.QUEUED] * accepted
    assert all(record.resource_uid is None for record in page.records)


async def test_asked_to_stop_it_answers_what_is_in_flight(
    api: Api, tenant: Tenant, environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with running(environment, log) as process:
        host, port = process.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST /api/v1/generate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n"
            f"Authorization: Bearer {tenant.token}\r\nExpect: 100-continue\r\n\r\n"
        )
        writer.write(head.encode())
        # The invitation shows that the request is being handled.
        assert (await reader.readline()).startswith(b"HTTP/1.1 100 ")
        process.child.terminate()
        await _refuses(process.url)

        writer.write(BODY.encode())

        await reader.readuntil(b"\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 202 ")
        writer.close()
        await writer.wait_closed()
        assert await asyncio.wait_for(process.child.wait(), 30) == 0
    assert await api.counted(tenant) == (0, 1)


async def _refuses(url: str) -> None:
    async with asyncio.timeout(100), aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(f"{url}/healthz"):
                    await asyncio.sleep(0.02)
            except aiohttp.ClientConnectorError:
                return


async def test_logs_and_metrics_hold_no_secret_and_no_prompt(
    tenant: Tenant, environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    prompt = "a-very-private-wish"
    async with running(environment, log) as process, aiohttp.ClientSession() as http:
        body = json.loads(BODY) | {"prompt": prompt}
        submit = f"{process.url}/api/v1/generate"
        async with http.post(submit, json=body, headers=tenant.headers) as response:
            assert response.status == 202
            job = await response.json()
        async with http.post(submit, json=body | {"seed": -1}, headers=tenant.headers) as refused:
            assert refused.status == 400
        async with http.get(f"{process.url}{job['statusUrl']}", headers=tenant.headers) as poll:
            assert poll.status == 200
        async with http.get(process.metrics_url) as response:
            metrics = await response.text()
        process.child.terminate()
        assert await process.child.wait() == 0

    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    answered = [line for line in lines if line["event"] == "request"]
    assert [line["status"] for line in answered] == [202, 400, 200]
    assert answered[2]["route"] == "/api/v1/jobs/{job_id}"
    assert all(line["workspace"] == tenant.workspace for line in answered)
    assert 'route="/api/v1/jobs/{job_id}"' in metrics
    assert 'imagerift_api_admissions_total{outcome="accepted"} 1.0' in metrics
    for hidden in (prompt, tenant.token, "X-Amz", environment["IMAGERIFT_S3_SECRET_KEY"]):
        assert hidden not in text + metrics


async def test_wrong_settings_are_named_without_their_values(
    environment: dict[str, str], tmp_path: Path
) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "imagerift_api",
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment | {"IMAGERIFT_KEY_PEPPER": "a-secret-but-not-hex"},
    )

    _, errors = await child.communicate()

    assert child.returncode == 2
    assert b"IMAGERIFT_KEY_PEPPER: " in errors
    assert b"a-secret" not in errors
