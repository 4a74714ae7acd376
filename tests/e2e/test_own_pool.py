"""A second pool, by configuration alone, through the REST API: diffusion and a safety gate.

Pictures of several jobs are drawn in one call: real Triton, real diffusers.
"""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from imagerift_contract.values import EXPORT_LONG_EDGE, ExportSize
from imagerift_core.model_documents import ControlAnswer
from imagerift_core.triton import connect_triton
from PIL import Image

from tests.e2e.own_pool import OwnPool, own_pool
from tests.e2e.tenant import Tenant, new_tenant
from tests.e2e.test_progress import assert_command_tells
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.products import PRODUCTS, file_of, product

# The pool's start imports PyTorch twice; on a busy machine that takes minutes.
pytestmark = pytest.mark.timeout(600)
AT_ONCE = 4
# A seed alone and among others differ by rounding.
ROUNDING = 3


@pytest.fixture(scope="module")
def running(
    platform: PlatformUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnPool]:
    with own_pool(platform, tmp_path_factory.mktemp("own-pool"), at_once=AT_ONCE) as pool:
        yield pool


@pytest.fixture(scope="module")
def tenant(platform: PlatformUnderTest) -> Iterator[Tenant]:
    """One for all: making one takes longer than most of these jobs."""
    with httpx.Client(base_url=platform.api_url, timeout=120, trust_env=False) as http:
        yield new_tenant(platform, http, "load")


@pytest.fixture
def charges(tenant: Tenant) -> Callable[[], int]:
    """Units charged since the test began; none may be left reserved."""
    before = charged(tenant)
    return lambda: charged(tenant) - before


@pytest.fixture
def pool(running: OwnPool) -> OwnPool:
    """With nothing blocked."""
    running.block()
    return running


def pictures(job: dict[str, Any]) -> list[bytes]:
    return [
        httpx.get(output["downloadUrl"], timeout=120, trust_env=False).raise_for_status().content
        for output in job["outputs"]
    ]


def made(tenant: Tenant, photo: bytes, **fields: Any) -> dict[str, Any]:
    """The ended job."""
    return tenant.wait_for(tenant.submitted(photo, **fields), seconds=120)


def charged(tenant: Tenant) -> int:
    counters = tenant.counters()
    assert counters["reserved"] == 0
    return counters["charged"]


def test_diffusion_draws_by_its_seeds(
    pool: OwnPool, tenant: Tenant, small_photo: bytes, charges: Callable[[], int]
) -> None:
    ask = {"mode": "redraw", "preset": "painted", "variations": 3, "seed": 5}
    first = made(tenant, small_photo, **ask)
    assert first["status"] == "succeeded", first
    names = {model["name"]: model["version"] for model in first["models"]}
    assert re.fullmatch("[0-9a-f]{12}", names["tiny"])
    assert "diffusers StableDiffusionImg2ImgPipeline" in names
    bodies = pictures(first)
    assert len(set(bodies)) == 3
    assert Image.open(io.BytesIO(bodies[0])).info["imagerift:seed"] == "5"
    again = made(tenant, small_photo, **ask)
    assert pictures(again) == bodies
    other = made(tenant, small_photo, **(ask | {"prompt": "a green glass bottle"}))
    assert set(pictures(other)).isdisjoint(bodies)
    assert charges() == 9


@pytest.mark.parametrize(("size", "position"), [("base", 0), ("2k", 9), ("4k", 14)])
def test_a_product_stays_the_product_in_a_scene_that_was_drawn(
    pool: OwnPool,
    tenant: Tenant,
    charges: Callable[[], int],
    size: ExportSize,
    position: int,
) -> None:
    photo = file_of(product(*PRODUCTS[position]))
    ask = {"mode": "staged", "preset": "studio", "prompt": "on a quay", "seed": 3}
    job = made(tenant, photo, exportSize=size, outputAspect="1:1", **ask)
    assert job["status"] == "succeeded", job["error"]
    names = {model["name"] for model in job["models"]}
    assert {"imagerift-scene", "diffusers StableDiffusionInpaintPipeline"} <= names
    (body,) = pictures(job)
    picture = Image.open(io.BytesIO(body))
    assert picture.size == (EXPORT_LONG_EDGE[size],) * 2
    assert picture.info["imagerift:subject"] == "kept"
    assert picture.info["imagerift:subjectDifference"] == "0/255"
    assert float(picture.info["imagerift:subjectCompared"]) > 0.5
    if size == "base":
        again = made(tenant, photo, exportSize=size, outputAspect="1:1", **ask)
        assert pictures(again) == [body]
        lit = made(tenant, photo, keepSubject=False, negativePrompt="ships", **ask)
        assert (lit["keepSubject"], lit["negativePrompt"]) == (False, "ships")
        assert b"imagerift:subject" not in pictures(lit)[0]
    assert charges() == (3 if size == "base" else 1)


def offered(tenant: Tenant) -> dict[str, Any]:
    listed = tenant.request("GET", "/api/v1/modes").json()["data"]
    return {mode["mode"]: mode for mode in listed}


def test_what_a_pool_s_weights_can_do_is_offered_and_no_more(
    pool: OwnPool, tenant: Tenant, small_photo: bytes, charges: Callable[[], int]
) -> None:
    """Stable Diffusion makes pictures of words, and takes no instructions."""
    wait_until(lambda: "generate" in offered(tenant), seconds=30, what="generate is offered")
    modes = offered(tenant)
    assert "edit" not in modes
    assert (modes["generate"]["takesSource"], modes["generate"]["oneAspect"]) == (False, True)
    assert (modes["style"]["takesSource"], modes["style"]["oneAspect"]) == (True, False)
    ask: dict[str, Any] = {"mode": "generate", "prompt": "a quay in the rain", "seed": 4}
    ask["imageBase64"] = None
    job = tenant.wait_for(tenant.submitted(b"", **ask), seconds=120)
    assert job["status"] == "succeeded", job["error"]
    (body,) = pictures(job)
    assert Image.open(io.BytesIO(body)).size == (1024, 1024)
    again = tenant.wait_for(tenant.submitted(b"", **ask), seconds=120)
    assert pictures(again) == [body]
    shapes = [{"aspect": "1:1"}, {"aspect": "9:16"}]
    refused = tenant.submit(b"", outputs=shapes, **ask)
    assert (refused.status_code, refused.json()["param"]) == (400, "outputs")
    refused = tenant.submit(small_photo, mode="edit", prompt="in the rain")
    assert (refused.status_code, refused.json()["param"]) == (400, "mode")
    refused = tenant.submit(small_photo, mode="generate")
    assert (refused.status_code, refused.json()["param"]) == (400, "imageBase64")
    assert charges() == 2


def test_a_canceled_diffusion_stops_at_its_next_step(
    pool: OwnPool, tenant: Tenant, small_photo: bytes, charges: Callable[[], int]
) -> None:
    before = pool.drawing_seconds()
    endless = tenant.submitted(small_photo, mode="redraw", preset="endless")
    # So much is spent among the steps alone: framing and reading the prompt take a moment.
    wait_until(lambda: pool.drawing_seconds() > before + 3, seconds=120, what="it is drawing")
    assert tenant.cancel(endless).status_code in (200, 202)
    tenant.wait_for(endless, "canceled")
    # What has other steps is not drawn with it: nine hundred would last longer than this waits.
    assert made(tenant, small_photo, mode="redraw", preset="slow")["status"] == "succeeded"
    assert charges() == 1


def test_a_lack_of_memory_fails_that_job_alone(
    pool: OwnPool, tenant: Tenant, small_photo: bytes, charges: Callable[[], int]
) -> None:
    job = made(tenant, small_photo, mode="redraw", preset="colossal")
    assert job["status"] == "failed"
    assert job["error"]["code"] == "out_of_memory"
    assert made(tenant, small_photo, mode="redraw", preset="warm")["status"] == "succeeded"
    assert charges() == 1


def test_one_preset_of_a_mode_can_be_another_model_s(
    pool: OwnPool, tenant: Tenant, small_photo: bytes
) -> None:
    job = made(tenant, small_photo, mode="redraw", preset="warm")
    assert {"name": "duotone", "version": "1"} in job["models"]
    assert {"name": "gate", "version": "1"} in job["models"]


def fingerprint(pool: OwnPool, body: bytes) -> str:
    picture = Image.open(io.BytesIO(body)).convert("RGBA")
    return str(pool.fingerprints.fingerprint(np.asarray(picture)))


@pytest.fixture
def shown(tenant: Tenant, small_photo: bytes) -> Callable[..., dict[str, Any]]:
    """Two prints of the photo, one ink each."""

    def make(**fields: Any) -> dict[str, Any]:
        ask = {"mode": "redraw", "preset": "warm", "variations": 2, "seed": 0}
        return made(tenant, small_photo, **(ask | fields))

    return make


def test_a_blocked_prompt_fails_the_job_uncharged(
    pool: OwnPool, tenant: Tenant, shown: Callable[..., dict[str, Any]], charges: Callable[[], int]
) -> None:
    pool.block(words=("weapon",))
    job = shown(prompt="A Weapon on a table")
    assert (job["status"], job["error"]["code"]) == ("failed", "content_filtered")
    assert "weapon" not in job["error"]["message"].casefold()
    assert job["outputs"] == []
    assert charges() == 0
    assert shown(prompt="a weaponless table")["status"] == "succeeded"
    assert charges() == 2


def test_a_blocked_source_fails_the_job_uncharged(
    pool: OwnPool,
    tenant: Tenant,
    small_photo: bytes,
    shown: Callable[..., dict[str, Any]],
    charges: Callable[[], int],
) -> None:
    pool.block(pictures=(fingerprint(pool, small_photo),))
    job = shown()
    assert (job["status"], job["error"]["code"]) == ("failed", "content_filtered")
    assert charges() == 0


def test_blocked_outputs_are_left_out_and_only_the_others_charged(
    pool: OwnPool, tenant: Tenant, shown: Callable[..., dict[str, Any]], charges: Callable[[], int]
) -> None:
    both = [fingerprint(pool, body) for body in pictures(shown())]
    assert charges() == 2
    pool.block(pictures=(both[1],))
    job = shown()
    assert job["status"] == "succeeded"
    assert [output["index"] for output in job["outputs"]] == [0]
    assert job["omitted"] == [{"index": 1, "code": "content_filtered"}]
    assert charges() == 3
    pool.block(pictures=tuple(both))
    job = shown()
    assert (job["status"], job["error"]["code"]) == ("failed", "content_filtered")
    assert job["outputs"] == []
    assert charges() == 3


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


def test_a_drawing_of_thirty_steps_tells_them_to_events_and_command(
    pool: OwnPool, tenant: Tenant, small_photo: bytes, tmp_path: Path
) -> None:
    ask = {"mode": "redraw", "preset": "thirty"}
    events = tenant.events(tenant.submitted(small_photo, **ask))
    told = [data for name, data in events if name == "progress" and data["step"] is not None]
    assert {(one["stage"], one["steps"]) for one in told} == {("model", 30)}
    steps = [one["step"] for one in told]
    assert len(steps) >= 2
    assert steps == sorted(steps)
    assert events[-1][1]["status"] == "succeeded"
    assert_command_tells(tenant, tmp_path, "--mode", "redraw", "--preset", "thirty")


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
