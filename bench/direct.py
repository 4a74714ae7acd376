"""Calls straight to the model server, as a floor for whole jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from imagerift_contract.values import THUMBNAIL_TYPE
from imagerift_core import object_keys
from imagerift_core.ids import new_job_id
from imagerift_core.triton import connect_triton
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.http.aio import InferenceServerClient

from bench.adapters import Adapters
from tests.platform_under_test import PlatformUnderTest

CALL_SECONDS = 300


async def in_parallel(workers: int, seconds: float, call: Callable[[], Awaitable[None]]) -> float:
    """Calls per second of `workers` that each call once, and again until `seconds` are over."""
    await call()
    start = time.monotonic()

    async def work() -> int:
        done = 0
        while not done or time.monotonic() < start + seconds:
            await call()
            done += 1
        return done

    counts = await asyncio.gather(*(work() for _ in range(workers)))
    return sum(counts) / (time.monotonic() - start)


async def echo_calls(
    platform: PlatformUnderTest, *, workers: int, seconds: float, size: int
) -> float:
    """Calls per second of a model that does nothing, `size` bytes in and out."""
    address = platform.environment["IMAGERIFT_TRITON_URL"].removeprefix("http://")
    token = platform.environment["IMAGERIFT_MODEL_TOKEN"]
    payload = np.random.default_rng(0).integers(0, 255, size, np.uint8)
    async with InferenceServerClient(address, conn_limit=workers) as client:

        async def call() -> None:
            tensor = InferInput("INPUT", [size], "UINT8")
            tensor.set_data_from_numpy(payload)
            answer = await client.infer(
                "echo",
                [tensor],
                outputs=[InferRequestedOutput("OUTPUT")],
                headers={"Accept-Encoding": "identity", "Authorization": f"Bearer {token}"},
            )
            if answer.as_numpy("OUTPUT").size != size:
                raise RuntimeError("the echo is not whole")

        return await in_parallel(workers, seconds, call)


async def entry_calls(
    adapters: Adapters,
    *,
    model: str,
    mode: str,
    photo: bytes,
    workers: int,
    calls: int,
    prompt: str = "",
) -> float:
    """Calls per second of an entry model, which fetches its source and puts its output.

    The same request that the operator sends, without anything of the product around it.
    """
    store = adapters.store
    folder = object_keys.job_prefix("ws_bench", new_job_id())
    await store.put(folder + "source", photo, content_type="image/jpeg")
    source = store.presign_get(folder + "source", seconds=3600)
    variables = adapters.platform.environment
    endpoint, token = variables["IMAGERIFT_TRITON_URL"], variables["IMAGERIFT_MODEL_TOKEN"]
    left = iter(range(calls))
    async with connect_triton(endpoint, token=token) as server:

        async def call(number: int) -> None:
            request = request_of(adapters, f"{folder}{number}", source, mode, prompt)
            answer = await server.call(model, request, timeout_seconds=CALL_SECONDS)
            if answer.get("error") or len(answer["outputs"]) != 1:
                raise RuntimeError(f"the model answered {answer.get('error')}")

        async def work() -> None:
            for number in left:
                await call(number)

        await call(calls)
        start = time.monotonic()
        await asyncio.gather(*(work() for _ in range(workers)))
        return calls / (time.monotonic() - start)


def request_of(
    adapters: Adapters, folder: str, source: str, mode: str, prompt: str
) -> dict[str, Any]:
    """A REQUEST for one picture, its output and thumbnail under `folder`."""
    sign = adapters.store.presign_put
    return {
        "attemptId": f"{folder}/1",
        "secondsLeft": CALL_SECONDS,
        "source": {"url": source},
        "mode": mode,
        "preset": None,
        "prompt": prompt,
        "seed": 7,
        "variations": 1,
        "exportSize": "base",
        "outputAspect": "source",
        "outputFormat": "png",
        "targets": [
            {
                "index": 0,
                "url": sign(f"{folder}/output-0.png", content_type="image/png", seconds=3600),
                "contentType": "image/png",
                "thumbnailUrl": sign(
                    f"{folder}/thumbnail-0.webp",
                    content_type=THUMBNAIL_TYPE,
                    seconds=3600,
                ),
            }
        ],
        "traceparent": None,
    }
