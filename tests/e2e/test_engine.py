"""An engine outside, named in a pool's file, through the REST API."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.e2e.own_pool import pool_of, settings_of
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.engines.images import ImagesEngine, Reply

pytestmark = pytest.mark.timeout(600)

TOKEN = "SECRETTOKEN-0123456789"
POOL: dict[str, Any] = {
    "kind": "KIND_CPU",
    "threads": 1,
    "instances": {"control": 1, "generate": 1, "remote": 1},
    "modes": {"redraw": "remote"},
}


@pytest.fixture(scope="module")
def engine(
    platform: PlatformUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ImagesEngine]:
    folder = tmp_path_factory.mktemp("engine")
    token = folder / "token"
    token.write_text(TOKEN)
    with ImagesEngine(token=TOKEN).running() as running:
        told = {
            "kind": "openai-images",
            "origin": running.url,
            "model": "Qwen/Qwen-Image-Edit-2511",
            "credentialFile": str(token),
            "edge": 128,
        }
        file = folder / "pool.json"
        file.write_text(json.dumps(POOL | {"engine": told}))
        with pool_of(platform, folder, settings_of(platform, file)):
            yield running


def charged(tenant: Tenant) -> int:
    counters = tenant.counters()
    assert counters["reserved"] == 0
    return counters["charged"]


def test_a_job_is_drawn_by_the_engine_and_charged_by_picture(
    engine: ImagesEngine, tenant: Tenant, small_photo: bytes
) -> None:
    job = tenant.wait_for(tenant.submitted(small_photo, mode="redraw", variations=2, seed=5))
    assert job["status"] == "succeeded", job
    assert {"name": "Qwen/Qwen-Image-Edit-2511", "version": "openai-images"} in job["models"]
    assert [call.fields["seed"] for call in engine.asked] == [5, 6]
    bodies = {
        httpx.get(output["downloadUrl"], timeout=120, trust_env=False).raise_for_status().content
        for output in job["outputs"]
    }
    assert len(bodies) == 2
    for body in bodies:
        assert max(Image.open(io.BytesIO(body)).size) == 1024
    assert charged(tenant) == 2


def test_what_the_engine_refuses_fails_uncharged_with_its_words(
    engine: ImagesEngine, tenant: Tenant, small_photo: bytes
) -> None:
    engine.replies = [Reply(400, json.dumps({"detail": "steps are too many"}).encode())]
    job = tenant.wait_for(tenant.submitted(small_photo, mode="redraw"))
    assert (job["status"], job["error"]["code"]) == ("failed", "invalid_request")
    assert job["error"]["message"].endswith("(400: steps are too many)")
    assert charged(tenant) == 0


def test_a_busy_engine_s_job_is_tried_again_and_charged_once(
    engine: ImagesEngine, tenant: Tenant, small_photo: bytes
) -> None:
    engine.replies, before = [Reply(503)], len(engine.asked)
    job = tenant.wait_for(tenant.submitted(small_photo, mode="redraw"), seconds=120)
    assert job["status"] == "succeeded", job
    assert len(engine.asked) == before + 2
    assert charged(tenant) == 1


def test_a_canceled_job_leaves_the_engine(
    engine: ImagesEngine, tenant: Tenant, small_photo: bytes
) -> None:
    engine.came.clear()
    engine.holds = True
    try:
        job = tenant.submitted(small_photo, mode="redraw")
        wait_until(engine.came.is_set, seconds=60, what="the engine is asked")
        assert tenant.cancel(job).status_code in (200, 202)
        tenant.wait_for(job, "canceled")
        assert engine.left.wait(30)
    finally:
        engine.holds = False
    assert charged(tenant) == 0
