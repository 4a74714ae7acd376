"""Drawings of several calls in one: which fit, what each is given, and that none harms another."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagerift_vision.control import AttemptGuard, CancelFlags, Guard
from imagerift_vision.diffusion_drawing import Drawing
from imagerift_vision.diffusion_settings import Recipe
from imagerift_vision.diffusion_together import TogetherNetwork
from imagerift_vision.errors import VisionError
from imagerift_vision.requests import ModelVersion

SECONDS = 60
BASE = Recipe(steps=4)
MUG = Drawing("img2img", "a mug", 64, 64)


class Press:
    """Prints each seed as a grey with the drawing's words beside it, once it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.let.set()
        self.drawing = threading.Event()
        self.batches: list[list[tuple[str, int]]] = []
        self.most = 8
        self.closed = False

    def task_of(self, _recipe: Recipe) -> str:
        return "img2img"

    def versions(self, recipe: Recipe) -> tuple[ModelVersion, ...]:
        return (ModelVersion("press", str(recipe.steps)),)

    def joins(self, task: str, _recipe: Recipe) -> bool:
        return task != "edit"

    def draw_all(
        self, drawings: Sequence[Drawing], recipe: Recipe, seeds: Sequence[int], guard: Guard
    ) -> list[Any]:
        self.batches.append([(one.prompt, seed) for one, seed in zip(drawings, seeds, strict=True)])
        self.drawing.set()
        guard.tell(step=0, steps=recipe.steps)
        while not self.let.wait(0.01):
            guard.check()
        guard.check()
        if len(seeds) > self.most:
            raise MemoryError
        if any(one.prompt == "breaks" for one in drawings):
            raise ValueError("it breaks")
        return [
            VisionError("content_filtered", "refused") if seed == 13 else np.full(1, seed, np.uint8)
            for seed in seeds
        ]

    def close(self) -> None:
        self.closed = True


class Calls:
    """Calls in threads of their own, each of which holds the turn but while it waits."""

    def __init__(self, press: Press, folder: Path, collect_seconds: float = 0.5) -> None:
        self.turn = threading.Lock()
        self.press = press
        self.network = TogetherNetwork(press, 4, collect_seconds, self.turn)
        self.flags = CancelFlags(folder)
        self.given: dict[str, Any] = {}
        self.guards: dict[str, AttemptGuard] = {}
        self.told: dict[str, list[dict[str, Any]]] = {}
        self.threads: dict[str, threading.Thread] = {}

    def begin(
        self, name: str, *seeds: int, recipe: Recipe = BASE, drawing: Drawing = MUG, **guard: Any
    ) -> None:
        told = self.told[name] = []

        class Teller:
            def tell(self, **what: Any) -> None:
                told.append(what)

        self.guards[name] = AttemptGuard.begun(self.flags, name, **({"seconds_left": 60} | guard))
        self.guards[name].teller = Teller()

        def call() -> None:
            with self.turn:
                try:
                    drawn = self.network.draw(drawing, recipe, seeds, self.guards[name])
                    self.given[name] = [
                        one.code if isinstance(one, VisionError) else int(one[0]) for one in drawn
                    ]
                except Exception as failure:  # noqa: BLE001 - what it was is looked at
                    self.given[name] = failure

        self.threads[name] = threading.Thread(target=call)
        self.threads[name].start()

    def ended(self, *names: str) -> list[Any]:
        for name in names:
            self.threads[name].join(SECONDS)
        return [self.given[name] for name in names]


@pytest.fixture
def press() -> Press:
    return Press()


@pytest.fixture
def calls(press: Press, tmp_path: Path) -> Iterator[Calls]:
    made = Calls(press, tmp_path)
    yield made
    press.let.set()
    made.ended(*made.threads)
    made.network.close()
    assert press.closed


def held(calls: Calls, press: Press, begin: Callable[[], None]) -> None:
    """Something is drawn while these calls come, so that they wait together."""
    press.let.clear()
    calls.begin("first", 0, drawing=replace(MUG, width=128))
    assert press.drawing.wait(SECONDS)
    begin()
    while len(calls.network._waiting) < len(calls.threads) - 1:
        threading.Event().wait(0.01)
    press.let.set()


def test_four_calls_of_one_picture_are_drawn_in_one(calls: Calls, press: Press) -> None:
    for seed in range(4):
        words = replace(MUG, prompt=f"mug {seed}")
        # What a preset adds is in the drawing's words already.
        recipe = replace(BASE, prompt=f"preset {seed}")
        calls.begin(str(seed), seed, recipe=recipe, drawing=words)
    assert calls.ended("0", "1", "2", "3") == [[0], [1], [2], [3]]
    assert [sorted(batch) for batch in press.batches] == [
        [(f"mug {seed}", seed) for seed in range(4)]
    ]
    assert calls.network.versions(replace(BASE, prompt="preset 3")) == press.versions(BASE)
    for told in calls.told.values():
        assert {"step": 0, "steps": 4} in told


def test_no_more_are_drawn_at_once_than_a_batch_and_the_rest_is_next(
    calls: Calls, press: Press
) -> None:
    def begin() -> None:
        for name, seeds in (("a", (1, 2, 3)), ("b", (4, 5)), ("c", (6,))):
            calls.begin(name, *seeds)
            while name not in calls.threads or not _waits(calls, seeds):
                threading.Event().wait(0.01)

    held(calls, press, begin)
    assert calls.ended("a", "b", "c") == [[1, 2, 3], [4, 5], [6]]
    assert [[seed for _, seed in batch] for batch in press.batches] == [[0], [1, 2, 3, 6], [4, 5]]


def _waits(calls: Calls, seeds: tuple[int, ...]) -> bool:
    return any(tuple(part.seeds) == seeds for part in calls.network._waiting)


@pytest.mark.parametrize(
    "other",
    [
        {"recipe": replace(BASE, steps=8)},
        {"recipe": replace(BASE, negative_prompt="blurry")},
        {"drawing": replace(MUG, width=80)},
        {"drawing": replace(MUG, task="inpaint")},
    ],
    ids=["steps", "negative prompt", "size", "task"],
)
def test_what_does_not_fit_is_drawn_apart(
    calls: Calls, press: Press, other: dict[str, Any]
) -> None:
    def begin() -> None:
        calls.begin("a", 1)
        calls.begin("b", 2, **other)

    held(calls, press, begin)
    assert calls.ended("a", "b") == [[1], [2]]
    assert len(press.batches) == 3


def test_weights_that_take_one_picture_for_all_seeds_are_not_shared(
    calls: Calls, press: Press
) -> None:
    edit = replace(MUG, task="edit")

    def begin() -> None:
        calls.begin("a", 1, drawing=edit)
        calls.begin("b", 2, drawing=edit)

    held(calls, press, begin)
    calls.ended("a", "b")
    assert len(press.batches) == 3


def test_where_nothing_is_collected_each_is_drawn_alone(press: Press, tmp_path: Path) -> None:
    calls = Calls(press, tmp_path, collect_seconds=0)

    def begin() -> None:
        for seed in (1, 2):
            calls.begin(str(seed), seed)

    held(calls, press, begin)
    assert calls.ended("1", "2") == [[1], [2]]
    assert len(press.batches) == 3
    calls.network.close()


def test_a_call_that_is_canceled_ends_at_once_and_alone(calls: Calls, press: Press) -> None:
    press.let.clear()
    calls.begin("a", 1)
    calls.begin("b", 2)
    assert press.drawing.wait(SECONDS)
    calls.flags.raise_flag("a")
    assert calls.ended("a")[0].code == "canceled"
    assert "b" not in calls.given
    press.let.set()
    assert calls.ended("b") == [[2]]
    assert len(press.batches) == 1


def test_a_drawing_ends_with_the_last_of_its_calls(calls: Calls, press: Press) -> None:
    press.let.clear()
    calls.begin("a", 1)
    calls.begin("b", 2)
    assert press.drawing.wait(SECONDS)
    for name in ("a", "b"):
        calls.flags.raise_flag(name)
    assert [failure.code for failure in calls.ended("a", "b")] == ["canceled"] * 2
    calls.begin("c", 3)
    press.let.set()
    assert calls.ended("c") == [[3]]


def test_a_call_that_waits_may_be_canceled(calls: Calls, press: Press) -> None:
    press.let.clear()
    calls.begin("first", 0)
    assert press.drawing.wait(SECONDS)
    calls.begin("a", 1)
    calls.flags.raise_flag("a")
    assert calls.ended("a")[0].code == "canceled"
    press.let.set()
    assert calls.ended("first") == [[0]]
    assert len(press.batches) == 1


def test_a_call_that_breaks_a_drawing_breaks_no_other_s(calls: Calls, press: Press) -> None:
    calls.begin("a", 1)
    calls.begin("b", 2, drawing=replace(MUG, prompt="breaks"))
    calls.begin("c", 13)
    good, bad, refused = calls.ended("a", "b", "c")
    assert (good, refused) == ([1], ["content_filtered"])
    assert str(bad) == "it breaks"


def test_where_memory_holds_no_batch_each_is_drawn_alone(calls: Calls, press: Press) -> None:
    press.most = 1
    calls.begin("a", 1)
    calls.begin("b", 2)
    calls.begin("c", 3, 4)
    one, two, both = calls.ended("a", "b", "c")
    assert (one, two) == ([1], [2])
    # Whoever has several pictures tries fewer of them by itself.
    assert isinstance(both, MemoryError)


def test_what_a_call_waits_for_others_is_no_time_of_it(calls: Calls, press: Press) -> None:
    press.let.clear()
    calls.begin("first", 0)
    assert press.drawing.wait(SECONDS)
    calls.begin("patient", 1, seconds_left=2, spare=SECONDS)
    calls.begin("late", 2, seconds_left=2)
    assert calls.ended("late")[0].code == "timeout"
    assert {"stage": "waiting"} in calls.told["patient"]
    press.let.set()
    assert calls.ended("patient") == [[1]]
    assert calls.guards["patient"].waits >= 1
    assert {"stage": "model"} in calls.told["patient"]


def test_whoever_waits_gives_the_turn_away(calls: Calls, press: Press) -> None:
    press.let.clear()
    calls.begin("a", 1)
    assert press.drawing.wait(SECONDS)
    assert calls.turn.acquire(timeout=SECONDS)
    calls.turn.release()
