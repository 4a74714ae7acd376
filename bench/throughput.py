"""Direct model calls against whole jobs, in one run: `make bench`.

Prints jobs per second end to end for a mode that does nothing, calls per second of a model
server that does nothing, their ratio, and the Kubernetes writes that each job cost, as the API
server itself counts them. Ratios travel between machines; the absolute figures do not.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import re
import ssl
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import yaml
from PIL import Image
from pymongo import AsyncMongoClient
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.http.aio import InferenceServerClient

from tests.platform_under_test import PlatformUnderTest, started, wait_until

PAYLOAD_BYTES = 100_000
TERMINAL = ["succeeded", "failed", "canceled"]


@dataclass(frozen=True)
class Result:
    """One run. Rates are per second; `kubernetes_writes` counts by verb, per job."""

    in_flight: int
    direct_calls_per_second: float
    jobs: int
    jobs_per_second: float
    ratio: float
    kubernetes_writes_per_job: dict[str, float]


async def in_parallel(workers: int, seconds: float, call: Callable[[], Awaitable[None]]) -> float:
    """Calls per second of `workers` that each call again and again for `seconds`."""
    end = time.monotonic() + seconds

    async def work() -> int:
        done = 0
        while time.monotonic() < end:
            await call()
            done += 1
        return done

    await call()
    start = time.monotonic()
    counts = await asyncio.gather(*(work() for _ in range(workers)))
    return sum(counts) / (time.monotonic() - start)


async def direct_calls(platform: PlatformUnderTest, workers: int, seconds: float) -> float:
    """Calls of the echo model, 100 KB in and 100 KB out."""
    address = platform.environment["IMAGERIFT_TRITON_URL"].removeprefix("http://")
    payload = np.random.default_rng(0).integers(0, 255, PAYLOAD_BYTES, np.uint8)
    async with InferenceServerClient(address, conn_limit=workers) as client:

        async def call() -> None:
            tensor = InferInput("INPUT", [PAYLOAD_BYTES], "UINT8")
            tensor.set_data_from_numpy(payload)
            answer = await client.infer(
                "echo",
                [tensor],
                outputs=[InferRequestedOutput("OUTPUT")],
                headers={"Accept-Encoding": "identity"},
            )
            if answer.as_numpy("OUTPUT").size != PAYLOAD_BYTES:
                raise RuntimeError("the echo is not whole")

        return await in_parallel(workers, seconds, call)


async def whole_jobs(
    platform: PlatformUnderTest, token: str, workspace: str, in_flight: int, jobs: int
) -> float:
    """Jobs of the no-op mode per second, `in_flight` of them at any time, submit to terminal."""
    body = {
        "mode": "noop",
        "imageBase64": base64.b64encode(photo_of(PAYLOAD_BYTES)).decode(),
        "prompt": "",
    }
    content = json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    places = asyncio.Semaphore(in_flight)
    ended = 0
    environment = platform.environment
    async with (
        AsyncMongoClient[dict[str, Any]](environment["IMAGERIFT_MONGO_URL"]) as mongo,
        aiohttp.ClientSession(
            platform.api_url, connector=aiohttp.TCPConnector(limit=in_flight), headers=headers
        ) as http,
    ):
        records = mongo[environment["IMAGERIFT_MONGO_DATABASE"]].jobs
        pipeline = [
            {
                "$match": {
                    "operationType": "update",
                    "updateDescription.updatedFields.status": {"$in": TERMINAL},
                }
            },
            {"$project": {"documentKey": 1}},
        ]
        async with await records.watch(pipeline) as changes:

            async def count_ends() -> None:
                nonlocal ended
                while ended < jobs:
                    await changes.next()
                    ended += 1
                    places.release()

            async def submit() -> None:
                async with http.post("/api/v1/generate", data=content) as answer:
                    await answer.read()
                    answer.raise_for_status()

            counting = asyncio.create_task(count_ends())
            start = time.monotonic()
            submits = []
            for _ in range(jobs):
                await places.acquire()
                submits.append(asyncio.create_task(submit()))
            await asyncio.gather(*submits)
            await counting
            seconds = time.monotonic() - start
        succeeded = await records.count_documents({"workspace": workspace, "status": "succeeded"})
        if succeeded != jobs:
            raise RuntimeError(f"{jobs - succeeded} of {jobs} jobs did not succeed")
    return jobs / seconds


def photo_of(size: int) -> bytes:
    """A JPEG of noise of about `size` bytes."""
    pixels = np.random.default_rng(1).integers(0, 255, (300, 300, 3), np.uint8)
    for quality in range(95, 10, -5):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=quality)
        if out.tell() <= size:
            break
    return out.getvalue()


def kubernetes_writes(platform: PlatformUnderTest) -> dict[str, float]:
    """Writes to GenerationJobs by verb, since the API server started, as it counts them."""
    config = yaml.safe_load(Path(platform.environment["KUBECONFIG"]).read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
    )
    context.load_cert_chain(*certificate_files(user, platform.data))
    with urllib.request.urlopen(f"{cluster['server']}/metrics", context=context) as answer:  # noqa: S310
        text = answer.read().decode()
    counts: dict[str, float] = {}
    for labels, value in re.findall(r"^apiserver_request_total\{(.*)\} (\S+)$", text, re.MULTILINE):
        named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if named["resource"] == "generationjobs" and named["verb"] in {
            "POST",
            "PUT",
            "PATCH",
            "APPLY",
            "DELETE",
        }:
            counts[named["verb"]] = counts.get(named["verb"], 0) + float(value)
    return counts


def certificate_files(user: dict[str, str], folder: Path) -> tuple[str, str]:
    """The administrator's certificate and key as files, whichever way the kubeconfig holds them."""
    if "client-certificate" in user:
        return user["client-certificate"], user["client-key"]
    names = []
    for field in ("client-certificate-data", "client-key-data"):
        path = folder / f"bench-{field}.pem"
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(user[field]))
        names.append(str(path))
    return names[0], names[1]


async def measure(platform: PlatformUnderTest, in_flight: int, jobs: int, seconds: float) -> Result:
    workspace = platform.admin("workspace", "create", "--name", "bench", "--plan", "load")
    key = platform.admin(
        "key", "create", "--workspace", workspace["workspaceId"], "--name", "bench"
    )
    direct = await direct_calls(platform, in_flight, seconds)
    before = kubernetes_writes(platform)
    rate = await whole_jobs(platform, key["token"], workspace["workspaceId"], in_flight, jobs)
    wait_until(
        lambda: not platform.kubectl("get", "gj", "-o", "name").stdout,
        seconds=180,
        what="every resource is deleted",
    )
    after = kubernetes_writes(platform)
    writes = {verb: (after[verb] - before.get(verb, 0)) / jobs for verb in sorted(after)}
    return Result(
        in_flight=in_flight,
        direct_calls_per_second=round(direct, 1),
        jobs=jobs,
        jobs_per_second=round(rate, 1),
        ratio=round(rate / direct, 4),
        kubernetes_writes_per_job=writes | {"total": sum(writes.values())},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10, help="of direct calls")
    options = parser.parse_args()
    with started() as platform:
        result = asyncio.run(measure(platform, options.in_flight, options.jobs, options.seconds))
    print(json.dumps(asdict(result), indent=2))


if __name__ == "__main__":
    main()
