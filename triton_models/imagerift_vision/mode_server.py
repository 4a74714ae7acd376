"""What every mode's Triton model does around its mode: read, guard, and turn failures into INFO."""

import queue
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import AttemptGuard, CancelFlags, Guard, RunningAttempts
from imagerift_vision.entry_model import log_failure
from imagerift_vision.errors import from_exception
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.mode_documents import read_parameters
from imagerift_vision.progress import ModelLine, tells
from imagerift_vision.runtime import give_memory_back, limit_threads
from imagerift_vision.settings import Settings
from imagerift_vision.tensors import (
    answer_later,
    mode_answer,
    read_array,
    read_references,
    read_text,
)


@dataclass(frozen=True)
class _Tensors:
    """What a request brings: pictures are [height, width, 4]."""

    image: NDArray[np.uint8]
    parameters: bytes
    references: tuple[NDArray[np.uint8], ...]


class Mode(Protocol):
    """One way to make pictures."""

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer:
        """Make one picture a seed. May raise anything; a VisionError's code is the client's."""


class ModeServer:
    """One slot of a mode."""

    def __init__(self, name: str, make: Callable[[int], Mode]) -> None:
        """Load the mode's networks: `make` gets the number of threads."""
        settings = Settings.from_environment()
        limit_threads(settings.threads)
        self._name = name
        self._flags = CancelFlags(settings.control_dir)
        self._attempts = RunningAttempts(settings.control_dir)
        self._mode = make(settings.threads)
        tells(settings.control_dir, name)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request; failures are part of INFO, never of Triton's protocol."""
        answers = [self._answered(_tensors(request)) for request in requests]
        give_memory_back()
        return answers

    def _answered(self, asked: _Tensors) -> Any:
        waits = 0.0
        try:
            call = read_parameters(asked.parameters, self._name, asked.image)
            call = replace(call, references=asked.references)
            waits = call.waited
            with closing(ModelLine(self._attempts.path_of(call.attempt_id))) as teller:
                guard = AttemptGuard.begun(
                    self._flags, call.attempt_id, call.seconds_left, call.spare
                )
                guard.teller = teller
                guard.tell(first=0)
                try:
                    answer = self._mode.run(call, guard)
                finally:
                    waits += guard.waits
        except Exception as failure:  # noqa: BLE001 - a model process answers, it never dies
            log_failure(failure)
            nothing = np.zeros((0, 1, 1, 3), np.uint8)
            answer = ModeAnswer(nothing, None, (), error=from_exception(failure))
        return mode_answer(answer, waits)


class SharedModeServer(ModeServer):
    """A mode that several calls are in at once, for a decoupled model.

    They take turns: one of them computes, but for those that have given the turn away while they
    wait for something, such as a drawing in which several have a part.
    """

    def __init__(
        self, name: str, make: Callable[[int], Mode], turn: threading.Lock, at_once: int
    ) -> None:
        """As of `ModeServer`, for so many calls at once; more of them wait."""
        super().__init__(name, make)
        self._turn = turn
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(at_once)]
        for thread in self._threads:
            thread.start()

    def execute(self, requests: list[Any]) -> None:  # type: ignore[override]
        """Have each request answered, later."""
        for request in requests:
            self._requests.put((answer_later(request), _tensors(request)))

    def close(self) -> None:
        """Answer what was asked, and end."""
        for _ in self._threads:
            self._requests.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (asked := self._requests.get()) is not None:
            send, tensors = asked
            with self._turn:
                answer = self._answered(tensors)
            send(answer)
            del asked, tensors, answer
            give_memory_back()


def _tensors(request: Any) -> _Tensors:
    parameters = read_text(request, "PARAMETERS")
    return _Tensors(read_array(request, "IMAGE"), parameters, read_references(request))
