"""Pictures of several calls drawn at once, where they fit: one family, size and recipe.

Calls hand in what they want drawn and wait; one thread draws, for whoever has waited the longest
and all that fit with it. A call that is stopped, or whose part breaks, takes no other with it.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard
from imagerift_vision.diffusion_drawing import Drawing, JoiningNetwork
from imagerift_vision.diffusion_families.family import Task
from imagerift_vision.diffusion_settings import Recipe
from imagerift_vision.entry_model import log_failure
from imagerift_vision.errors import JOB_ENDING, VisionError, from_exception
from imagerift_vision.progress import Told
from imagerift_vision.requests import ModelVersion

Pixels = NDArray[np.uint8]
Drawn = list[Pixels | VisionError]

# How often a call that waits looks at its guard.
LOOK_SECONDS = 0.2


@dataclass(eq=False)
class _Part:
    """What one call wants drawn; `begun` once that is done, `drawn` or `failure` at the end."""

    drawing: Drawing
    recipe: Recipe
    seeds: Sequence[int]
    guard: Guard
    begun: bool = False
    drawn: Drawn | None = None
    failure: Exception | None = None

    @property
    def ended(self) -> bool:
        return self.drawn is not None or self.failure is not None

    def fits(self, other: "_Part") -> bool:
        """Whether both may be drawn at once. The recipe's words are in the drawing already."""
        one, two = self.drawing, other.drawing
        return (one.task, one.width, one.height) == (two.task, two.width, two.height) and replace(
            self.recipe, prompt=""
        ) == replace(other.recipe, prompt="")


@dataclass
class _Guards:
    """The guard of several parts: one that is stopped ends alone, and the drawing with the last."""

    parts: Sequence[_Part]
    end: Callable[[_Part, Exception], None]
    spare: float = 0.0

    def check(self) -> None:
        """Raises what stops the last of them."""
        stopped: VisionError | None = None
        for part in self.parts:
            if part.ended:
                continue
            try:
                part.guard.check()
            except VisionError as reason:
                stopped = reason
                self.end(part, reason)
        if stopped is not None and all(part.ended for part in self.parts):
            raise stopped

    def seconds_left(self) -> float:
        return max(part.guard.seconds_left() for part in self.parts)

    def tell(self, **told: Unpack[Told]) -> None:
        for part in self.parts:
            part.guard.tell(**told)

    def waited(self, _seconds: float) -> None:
        """Nothing waits while it is drawn."""


@dataclass
class TogetherNetwork:
    """Draws what several calls want, up to `batch` pictures at once.

    A drawing waits up to `collect_seconds` for others to join it; with 0, none ever does. `turn` is
    held by whoever calls, and is given away while it waits.
    """

    network: JoiningNetwork
    batch: int
    collect_seconds: float
    turn: threading.Lock
    _waiting: list[_Part] = field(default_factory=list)
    _versions: dict[Recipe, tuple[ModelVersion, ...]] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _closed: bool = False

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def task_of(self, recipe: Recipe) -> Task:
        """The recipe's, or the first that its weights can do."""
        return self.network.task_of(recipe)

    def tasks_of(self, recipe: Recipe) -> tuple[Task, ...]:
        """What the weights of a recipe can do."""
        return self.network.tasks_of(recipe)

    def versions(self, recipe: Recipe) -> tuple[ModelVersion, ...]:
        """Those of what drew this recipe last: looked up where it is drawn."""
        return self._versions[recipe]

    def draw(self, drawing: Drawing, recipe: Recipe, seeds: Sequence[int], guard: Guard) -> Drawn:
        """As the network draws them, maybe together with others.

        Raises VisionError `canceled` or `timeout` also while it waits, which counts only beyond
        what the attempt may wait, and whatever the drawing raises.
        """
        guard.check()
        part = _Part(drawing, recipe, seeds, guard)
        with self._without_turn():
            self._await(part)
        if part.failure is not None:
            raise part.failure
        return part.drawn or []

    def close(self) -> None:
        """Let the network go, once nothing is drawn any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        self.network.close()

    @contextmanager
    def _without_turn(self) -> Iterator[None]:
        self.turn.release()
        try:
            yield
        finally:
            self.turn.acquire()

    def _await(self, part: _Part) -> None:
        at, told, counted = time.monotonic(), False, False
        with self._changed:
            self._waiting.append(part)
            self._changed.notify_all()
            while not part.ended:
                self._changed.wait(LOOK_SECONDS)
                before, at = at, time.monotonic()
                if counted or part.ended:
                    continue
                part.guard.waited(at - before)
                if part.begun:
                    counted = True
                    continue
                if not told:
                    part.guard.tell(stage="waiting")
                    told = True
                try:
                    part.guard.check()
                except VisionError as reason:
                    part.failure = reason
                    self._waiting.remove(part)

    def _run(self) -> None:
        while group := self._collected():
            try:
                self._draw(group)
            except Exception as failure:  # noqa: BLE001 - whoever waits is told, and drawing goes on
                log_failure(failure)
                for part in group:
                    self._end(part, failure)

    def _collected(self) -> list[_Part]:
        """What is to be drawn next; nothing at the end."""
        with self._changed:
            while not (group := self._group()):
                if self._closed:
                    return []
                self._changed.wait()
                until = time.monotonic() + self.collect_seconds
                while (left := until - time.monotonic()) > 0 and self._has_room():
                    self._changed.wait(left)
            for part in group:
                self._waiting.remove(part)
                part.begun = True
            self._changed.notify_all()
            return group

    def _has_room(self) -> bool:
        """Whether the drawing that is next would take one more."""
        group = self._group()
        room = sum(len(part.seeds) for part in group) < self.batch
        return bool(group) and room and self._joins(group[0])

    def _group(self) -> list[_Part]:
        """The part that has waited the longest, and those that fit with it."""
        group: list[_Part] = []
        for part in self._waiting:
            pictures = sum(len(one.seeds) for one in group) + len(part.seeds)
            if not group or (pictures <= self.batch and self._joins(part) and group[0].fits(part)):
                group.append(part)
        return group

    def _joins(self, part: _Part) -> bool:
        return self.collect_seconds > 0 and self.network.joins(part.drawing.task, part.recipe)

    def _draw(self, group: list[_Part]) -> None:
        for part in group:
            part.guard.tell(stage="model")
        drawings = [part.drawing for part in group for _ in part.seeds]
        seeds = [seed for part in group for seed in part.seeds]
        try:
            drawn = self.network.draw_all(
                drawings, group[0].recipe, seeds, _Guards(group, self._end)
            )
        except Exception as failure:  # noqa: BLE001 - each is tried alone
            left = [part for part in group if not part.ended]
            if len(group) == 1 or from_exception(failure).code in JOB_ENDING:
                for part in left:
                    self._end(part, failure)
                return
            log_failure(failure)
            for part in left:
                self._draw([part])
            return
        versions = self.network.versions(group[0].recipe)
        start = 0
        for part in group:
            self._versions[part.recipe] = versions
            self._end(part, drawn[start : start + len(part.seeds)])
            start += len(part.seeds)

    def _end(self, part: _Part, end: Any) -> None:
        with self._changed:
            if part.ended:
                return
            if isinstance(end, Exception):
                part.failure = end
            else:
                part.drawn = end
            self._changed.notify_all()
