"""What every mode's Triton model does around its mode: read, guard, and turn failures into INFO."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from imagerift_vision.control import AttemptGuard, CancelFlags, Guard
from imagerift_vision.entry_model import log_failure
from imagerift_vision.errors import from_exception
from imagerift_vision.generate import ModeAnswer, ModeCall
from imagerift_vision.mode_documents import read_parameters
from imagerift_vision.runtime import give_memory_back, limit_threads
from imagerift_vision.settings import Settings
from imagerift_vision.tensors import mode_answer, read_array, read_text


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
        self._mode = make(settings.threads)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request; failures are part of INFO, never of Triton's protocol."""
        answers = [self._one(request) for request in requests]
        give_memory_back()
        return answers

    def _one(self, request: Any) -> Any:
        try:
            call = self._read(request)
            guard = AttemptGuard.begun(self._flags, call.attempt_id, call.seconds_left)
            answer = self._mode.run(call, guard)
        except Exception as failure:  # noqa: BLE001 - a model process answers, it never dies
            log_failure(failure)
            nothing = np.zeros((0, 1, 1, 3), np.uint8)
            answer = ModeAnswer(nothing, None, (), error=from_exception(failure))
        return mode_answer(answer)

    def _read(self, request: Any) -> ModeCall:
        image = read_array(request, "IMAGE")
        return read_parameters(read_text(request, "PARAMETERS"), self._name, image)
