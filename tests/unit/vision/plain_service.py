"""The pipeline as plain functions: `generate` without a server but the store."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from imagerift_vision.control import AttemptGuard, CancelFlags, Guard
from imagerift_vision.decoding_process import DecodingProcess
from imagerift_vision.entry_model import answer
from imagerift_vision.generate import Pipeline
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.settings import MODE_MODELS
from imagerift_vision.storage import OriginClient
from origin import Origin


class Mode(Protocol):
    """A mode's plain class."""

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer: ...


class Modes:
    """Runs the modes in this process."""

    def __init__(self, loaded: Mapping[str, Mode], flags: CancelFlags) -> None:
        self.loaded = loaded
        self.flags = flags
        self.raises: Exception | None = None

    def call(self, call: ModeCall) -> ModeAnswer:
        if self.raises is not None:
            raise self.raises
        guard = AttemptGuard.begun(self.flags, call.attempt_id, call.seconds_left)
        return self.loaded[call.model].run(call, guard)


class Plain:
    """The pipeline, called."""

    def __init__(
        self,
        origin: Origin,
        flags: CancelFlags,
        loaded: Mapping[str, Mode],
        decoding: DecodingProcess,
    ) -> None:
        self.flags = flags
        self.modes = Modes(loaded, flags)
        self.pipeline = Pipeline(
            OriginClient(origin.url), self.modes, MODE_MODELS, decoding=decoding
        )

    def generate(self, request: dict[str, Any]) -> dict[str, Any]:
        return json.loads(answer(json.dumps(request), self.flags, self.pipeline.run).to_json())

    def cancel(self, attempt_id: str) -> None:
        self.flags.raise_flag(attempt_id)
