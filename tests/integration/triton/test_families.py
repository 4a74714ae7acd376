"""Every family of diffusion weights, each of its tasks, through a real Triton on the CPU.

Diffusers' own classes with tiny random weights, all in one server: the several models of one pool.
A base picture as narrow as may be has few pixels, and most are drawn in fewer still.
"""

import io
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from family_pool import (
    AT_ONCE,
    CASES,
    ENDLESS,
    HELD,
    HUGE,
    LORAS,
    REFUSED,
    TASKS,
    WAYS,
    FamilyPool,
    diffusion_python,
    family_pool,
    make_weights,
    with_smaller_editors,
)
from generate_cases import request_for
from origin import Origin
from PIL import Image

# On a busy machine importing PyTorch alone takes a minute.
pytestmark = pytest.mark.timeout(1800)
WIDE, HIGH = 1024, 64
TILE = 16
SUBJECT = slice(0, 256)
# A picture alone and the same one among others differ by rounding, and enlarging adds to that.
ROUNDING = 6
INPAINTING = [family for family, tasks in TASKS.items() if "inpaint" in tasks]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", compress_level=1)
    return file.getvalue()


def mosaic(seed: int) -> np.ndarray:
    """Tiles that are seen at the size that is drawn at too; the weights see no more in a photo."""
    tiles = np.random.default_rng(seed).integers(0, 256, (HIGH // TILE, WIDE // TILE, 3))
    return tiles.astype(np.uint8).repeat(TILE, 0).repeat(TILE, 1)


SOURCE = mosaic(0)
MATTE = np.zeros((HIGH, WIDE), np.uint8)
MATTE[:, SUBJECT] = 255


def pixels(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)))


def apart(one: bytes, other: bytes) -> int:
    return int(np.abs(pixels(one).astype(int) - pixels(other)).max())


class Client:
    """Asks the pool for pictures by a preset whose task is `task`."""

    def __init__(self, pool: FamilyPool, origin: Origin) -> None:
        self.pool = pool
        self.origin = origin
        self.models: list[str] = []
        """What the last pictures were drawn by."""

    def request(
        self, preset: str, task: str, source: np.ndarray = SOURCE, **more: Any
    ) -> dict[str, Any]:
        if task == "inpaint":
            more["mask"] = {"url": self.origin.give("mask", png(MATTE))}
        asked = {"mode": "redraw", "preset": preset, "secondsLeft": 600, **more}
        return request_for(self.origin, png(source), **asked)

    def drawn(self, preset: str, task: str, **more: Any) -> list[bytes]:
        request = self.request(preset, task, **more)
        result = self.pool.triton.generate(request)
        assert (result["error"], result["omitted"]) == (None, [])
        self.models = [model["name"] for model in result["models"]]
        return [self.origin.outputs[f"{n}"][1] for n in range(request["variations"])]

    def one(self, preset: str, task: str, **more: Any) -> bytes:
        (body,) = self.drawn(preset, task, **more)
        return body

    def plain(self, family: str) -> bytes:
        """By the family's first task, without anything; drawn once."""
        if family not in self.pool.plain:
            self.pool.plain[family] = self.one(family, TASKS[family][0])
        return self.pool.plain[family]

    def told(self, attempt_id: str) -> list[dict[str, Any]]:
        """What `control` tells of an attempt; nothing where it does not run."""
        asked = {"progress": [attempt_id]}
        answer = self.pool.triton.infer("control", "COMMAND", asked)
        return list(answer["progress"].values())


@pytest.fixture(scope="module")
def python() -> Path:
    return diffusion_python()


@pytest.fixture(scope="module")
def weights(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_weights(python, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def pool(
    _server: Origin, python: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FamilyPool]:
    folder = tmp_path_factory.mktemp("families")
    site = python.with_name("site")
    if not os.environ.get("IMAGERIFT_TEST_WHOLE_EDITORS"):
        site = with_smaller_editors(site, folder / "site")
    with family_pool(_server.url, folder, weights, site) as running:
        yield running


@pytest.fixture
def client(pool: FamilyPool, origin: Origin) -> Client:
    return Client(pool, origin)


def test_there_are_tiny_weights_of_every_family(weights: Path) -> None:
    """A family of the catalogue without a builder would be tried out nowhere."""
    assert set(TASKS) <= {folder.name for folder in weights.iterdir()}


def test_the_weights_used_the_longest_ago_make_room_and_come_back_the_same(
    client: Client,
) -> None:
    """What is loaded draws on without its folder; what was let go does not.

    It is the first, since letting one go takes longer the more there are.
    """
    older, newer = "z-image", "stable-diffusion-xl"
    drawn = {family: client.one(family, "img2img") for family in (older, newer)}
    client.one(HUGE, "img2img")
    hidden = [(client.pool.weights / name, client.pool.weights / f"no {name}") for name in drawn]
    for there, away in hidden:
        there.rename(away)
    try:
        assert client.one(newer, "img2img") == drawn[newer]
        lost = client.pool.triton.generate(client.request(older, "img2img"))
        assert lost["error"]["code"] == "model_error"
    finally:
        for there, away in hidden:
            away.rename(there)
    assert client.one(older, "img2img") == drawn[older]


@pytest.mark.parametrize(("family", "task"), CASES)
def test_each_task_draws_what_its_seeds_say_alone_and_four_at_once(
    client: Client, family: str, task: str
) -> None:
    preset = f"{family} {task}"
    four = client.drawn(preset, task, seed=5, variations=AT_ONCE)
    assert [pixels(body).shape for body in four] == [(HIGH, WIDE, 3)] * AT_ONCE
    alone, again = (client.one(preset, task, seed=7) for _ in range(2))
    assert alone == again
    assert f"diffusers {WAYS.get(family, WAYS['flux'])[task].pipeline}" in client.models
    rounding = apart(alone, four[2])
    assert rounding <= ROUNDING
    assert all(apart(alone, four[other]) > 2 * rounding for other in (0, 1, 3))
    if task != "generate":
        assert apart(alone, client.one(preset, task, seed=7, source=mosaic(1))) > 0


@pytest.mark.parametrize("family", TASKS)
def test_each_family_reads_its_prompt(client: Client, family: str) -> None:
    lamp = client.one(family, TASKS[family][0], prompt="zzzz qqq 8888 a lamp of brass")
    assert apart(client.plain(family), lamp) > 0


@pytest.mark.parametrize("family", INPAINTING)
def test_what_the_mask_keeps_is_the_source_s_own_to_the_bit(client: Client, family: str) -> None:
    picture = pixels(client.one(f"{family} exact", "inpaint"))
    assert picture.shape == SOURCE.shape
    assert np.array_equal(picture[:, SUBJECT], SOURCE[:, SUBJECT])
    around = slice(SUBJECT.stop + 32, None)
    changed = np.abs(picture[:, around].astype(int) - SOURCE[:, around])
    assert changed.mean() > 2 * ROUNDING


@pytest.mark.parametrize(("family", "task"), CASES)
def test_a_cancel_ends_four_pictures_at_the_next_step(
    client: Client, family: str, task: str
) -> None:
    request = client.request(f"{family} {task} endless", task, variations=AT_ONCE)
    attempt = request["attemptId"]
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(client.pool.triton.generate, request)
        before = _told_until(lambda told: told.get("step", 0) > 0, client, attempt, running)
        client.pool.triton.cancel(attempt)
        after = _told_until(lambda _told: False, client, attempt, running)
        assert running.result()["error"]["code"] == "canceled"
    assert before[-1]["together"] == AT_ONCE
    assert before[-1]["steps"] >= ENDLESS / 2
    steps = [told["step"] for told in after if "step" in told]
    # The one that was drawn when the flag was raised.
    assert not steps or max(steps) <= steps[0] + 1
    assert client.origin.outputs == {}


@pytest.mark.parametrize("family", TASKS)
def test_each_family_wears_two_loras_where_a_preset_names_them(client: Client, family: str) -> None:
    task, plain = TASKS[family][0], client.plain(family)
    ink, faint, both = (client.one(f"{family} {name}", task) for name in ("ink", "faint", "both"))
    assert [name for name in client.models if name.startswith("lora ")] == [
        f"lora {name}" for name in LORAS
    ]
    assert client.one(family, task) == plain
    pairs = [(plain, ink), (ink, both), (both, faint), (plain, both)]
    assert all(apart(*pair) > 0 for pair in pairs)


@pytest.mark.parametrize(("family", "task"), HELD)
def test_a_controlnet_holds_a_drawing_to_its_source_wherever_diffusers_has_one(
    client: Client, family: str, task: str
) -> None:
    held = f"{family} {task} held"
    free, drawn, again = (client.one(one, task) for one in (f"{family} {task}", held, held))
    assert {f"controlnet {family}", f"diffusers {WAYS[family][task].controlled}"} <= {
        *client.models
    }
    assert drawn == again
    assert apart(free, drawn) > 0
    # Of it, `generate` sees the edges alone.
    assert apart(drawn, client.one(held, task, source=mosaic(1))) > 0


@pytest.mark.parametrize("family", TASKS)
def test_each_family_held_in_eight_bits_draws_much_the_same(client: Client, family: str) -> None:
    eight = pixels(client.one(f"{family} fp8", TASKS[family][0]))
    changed = np.abs(pixels(client.plain(family)).astype(int) - eight)
    assert 0 < changed.mean() < 4


@pytest.mark.parametrize("bits", REFUSED)
def test_what_wants_bitsandbytes_is_refused_by_its_name(client: Client, bits: str) -> None:
    """It is in the lock of the GPU image alone.

    With it (0.50.2) diffusers refuses both as well where there is no GPU.
    """
    result = client.pool.triton.generate(client.request(bits, "img2img"))
    reason = "the preset's weights could not be loaded"
    assert (result["error"]["code"], result["error"]["message"]) == ("model_error", reason)
    said = f"quantization {bits} wants bitsandbytes, which is not installed"
    assert said in client.pool.log.read_text(errors="replace")


def _told_until(
    enough: Callable[[dict[str, Any]], bool], client: Client, attempt: str, running: Future[Any]
) -> list[dict[str, Any]]:
    """All that is told of an attempt, until that is enough or it has ended."""
    seen: list[dict[str, Any]] = []
    while not running.done() and not (seen and enough(seen[-1])):
        seen += client.told(attempt)
        time.sleep(0.02)
    return seen
