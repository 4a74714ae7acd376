"""Triton model `style`: the mode behind prompts and presets, called by `generate`."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np
from imagerift_vision.control import AttemptGuard, CancelFlags
from imagerift_vision.entry import log_failure
from imagerift_vision.errors import from_exception
from imagerift_vision.generate import ModeAnswer, ModeCall
from imagerift_vision.runtime import limit_threads
from imagerift_vision.settings import Settings
from imagerift_vision.style import StyleMode
from imagerift_vision.tensors import mode_answer, read_array, read_text


class TritonPythonModel:
    """One slot of the style mode."""

    def initialize(self, _args: dict[str, str]) -> None:
        """Load the networks."""
        settings = Settings.from_environment()
        limit_threads(settings.threads)
        self.flags = CancelFlags(settings.control_dir)
        self.mode = StyleMode(settings.threads)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request; failures are part of INFO, never of Triton's protocol."""
        return [self._one(request) for request in requests]

    def _one(self, request: Any) -> Any:
        try:
            call = read_call(request)
            guard = AttemptGuard(self.flags, call.attempt_id, call.deadline)
            answer = self.mode.run(call, guard)
        except Exception as failure:  # noqa: BLE001 - a model process answers, it never dies
            log_failure(failure)
            nothing = np.zeros((0, 1, 1, 3), np.uint8)
            answer = ModeAnswer(nothing, None, (), error=from_exception(failure))
        return mode_answer(answer)


def read_call(request: Any) -> ModeCall:
    """The call that a mode model's tensors describe."""
    parameters = json.loads(read_text(request, "PARAMETERS"))
    return ModeCall(
        model="style",
        image=read_array(request, "IMAGE"),
        attempt_id=parameters["attemptId"],
        deadline=parameters["deadline"],
        prompt=parameters["prompt"],
        preset=parameters["preset"],
        seeds=tuple(parameters["seeds"]),
        width=parameters["width"],
        height=parameters["height"],
    )
