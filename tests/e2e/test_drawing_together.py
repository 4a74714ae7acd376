"""Pictures of several jobs drawn in one call, on a pool of its own: real Triton, real diffusers."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from imagerift_core.model_documents import ControlAnswer
from imagerift_core.triton import connect_triton
from PIL import Image

from tests.e2e.own_pool import OwnPool, own_pool
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until

# The pool's start imports PyTorch twice; on a busy machine that takes minutes.
pytestmark = pytest.mark.timeout(600)
AT_ONCE = 4
# A seed alone and among others differ by rounding.
ROUNDING = 3


@pytest.fixture(scope="module")
def pool(
    platform: PlatformUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnPool]:
    folder = tmp_path_factory.mktemp("together")
    with own_pool(platform, folder, at_once=AT_ONCE) as pool:
        pool.block()
        yield pool


def pixels(job: dict[str, Any]) -> np.ndarray:
    body = httpx.get(job["outputs"][0]["downloadUrl"], timeout=120, trust_env=False).content
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB")).astype(int)


def control(pool: OwnPool, *job_ids: str) -> ControlAnswer:
    """What the pool's server tells of the first attempts of these jobs."""

    async def ask() -> ControlAnswer:
        token = pool.platform.environment["IMAGERIFT_MODEL_TOKEN"]
        async with connect_triton(pool.address, token=token) as server:
            return await server.progress([f"{job_id}/1" for job_id in job_ids])

    return asyncio.run(ask())


def drawn(pool: OwnPool, *job_ids: str) -> list[int]:
    """The step that each of those is at that are among their steps."""
    told = control(pool, *job_ids).progress.values()
    return [one.step for one in told if one.stage == "model" and one.step]


def test_a_pool_has_the_slots_that_its_server_says(pool: OwnPool) -> None:
    assert control(pool).slots == {"generate": AT_ONCE}
    slots = ("get", "tp", "own", "-o", "jsonpath={.status.slots}")
    wait_until(
        lambda: pool.platform.kubectl(*slots).stdout == str(AT_ONCE), seconds=30, what="its slots"
    )


def test_jobs_that_come_together_are_drawn_in_one_call(
    pool: OwnPool, tenant: Tenant, small_photo: bytes
) -> None:
    def ask(seed: int) -> dict[str, Any]:
        return {"mode": "redraw", "preset": "slow", "seed": seed, "prompt": f"mug {seed}"}

    alone = []
    for seed in range(AT_ONCE):
        job_id = tenant.submitted(small_photo, **ask(seed))
        alone.append(tenant.wait_for(job_id, "succeeded", seconds=120))
    job_ids = [tenant.submitted(small_photo, **ask(seed)) for seed in range(AT_ONCE)]
    seen = wait_until(
        lambda: (now := drawn(pool, *job_ids)) and len(now) > 1 and now,
        seconds=60,
        what="several of them are drawn",
    )
    together = [tenant.wait_for(job_id, "succeeded", seconds=120) for job_id in job_ids]
    # Drawn one after the other, all but one would wait; here they are at one step, or beside it.
    assert max(seen) - min(seen) <= 1
    for before, after in zip(alone, together, strict=True):
        assert np.abs(pixels(before) - pixels(after)).max() <= ROUNDING
        assert before["models"] == after["models"]


def test_pictures_that_are_finished_are_shown_before_the_last_is_drawn(
    pool: OwnPool, tenant: Tenant, small_photo: bytes
) -> None:
    ask = {"mode": "redraw", "preset": "slow", "seed": 7, "variations": AT_ONCE + 1}
    job_id = tenant.submitted(small_photo, **ask)

    def early() -> list[dict[str, Any]]:
        job = tenant.job(job_id)
        assert job["status"] in {"queued", "processing"}, "all came at once"
        found: list[dict[str, Any]] = job["partialOutputs"]
        return found

    shown = wait_until(early, seconds=120, what="the first of its pictures")
    body = httpx.get(shown[0]["thumbnailUrl"], timeout=60, trust_env=False).content
    assert Image.open(io.BytesIO(body)).format == "WEBP"
    job = tenant.wait_for(job_id, "succeeded", seconds=120)
    assert job["partialOutputs"] == []
    for one in shown:
        assert job["outputs"][one["index"]]["seed"] == one["seed"] == 7 + one["variation"]


def test_a_job_that_is_canceled_leaves_the_others_of_its_drawing(
    pool: OwnPool, tenant: Tenant, small_photo: bytes
) -> None:
    ask = {"mode": "redraw", "preset": "slow"}
    first, second = (tenant.submitted(small_photo, **ask, seed=seed) for seed in (1, 2))
    wait_until(lambda: drawn(pool, first, second), seconds=60, what="they are drawn")
    assert tenant.cancel(first).status_code in (200, 202)
    assert tenant.wait_for(second, seconds=120)["status"] == "succeeded"
    assert tenant.wait_for(first)["status"] == "canceled"


def test_a_drawing_tells_its_steps_to_whoever_reads_the_job(
    pool: OwnPool, tenant: Tenant, small_photo: bytes
) -> None:
    job_id = tenant.submitted(small_photo, mode="redraw", preset="endless", variations=2)

    def told() -> dict[str, Any] | None:
        progress = tenant.job(job_id)["progress"]
        return progress if progress and progress["step"] else None

    first = wait_until(told, seconds=60, what="its steps are told")
    assert (first["stage"], first["steps"], first["variations"]) == ("model", 900, 2)
    assert 0 < first["share"] < 1
    assert first["etaSeconds"] > 0
    wait_until(
        lambda: (now := told()) and now["step"] > first["step"], seconds=60, what="it goes on"
    )
    # What cannot be drawn with it waits, and says so.
    other = tenant.submitted(small_photo, mode="redraw", preset="slow")
    wait_until(
        lambda: (told := tenant.job(other)["progress"]) and told["stage"] == "waiting",
        seconds=60,
        what="the other one waits",
    )
    tenant.cancel(job_id)
    assert tenant.wait_for(other, seconds=120)["status"] == "succeeded"
    tenant.wait_for(job_id, "canceled")
