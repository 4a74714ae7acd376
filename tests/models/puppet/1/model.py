"""Triton entry model `puppet`: `noop` that does what the prompt, a JSON object, tells it.

`hold`: seconds to wait first, told of as so many `steps` of a drawing. `fail`: a code to fail
with, `retryable` or not. `attempts`: only that many first attempts are told all this.
"""

import json
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[4]
sys.path[:0] = [str(CHECKOUT / "bench/models/noop"), str(CHECKOUT / "triton_models")]

from imagerift_vision.control import Guard  # noqa: E402
from imagerift_vision.errors import VisionError  # noqa: E402
from imagerift_vision.requests import GenerateRequest, Result  # noqa: E402
from passthrough import Passthrough  # noqa: E402
from passthrough_model import PassthroughModel  # noqa: E402


class TritonPythonModel(PassthroughModel):
    """Obeys the prompt, then copies the source to each target."""

    def initialize(self, args: dict[str, str]) -> None:
        """Put the obedient work in the place of the plain one."""
        super().initialize(args)
        self.work = Obedient(self.work.client)


class Obedient(Passthrough):
    """Passes the source through unless it is told to fail."""

    def run(self, request: GenerateRequest, guard: Guard, result: Result) -> None:
        """Do what the prompt says. Raises VisionError where that is to fail."""
        told: dict[str, Any] = json.loads(request.prompt or "{}")
        self.hold_seconds, self.steps = 0.0, 0
        attempt = int(request.attempt_id.rsplit("/", 1)[1])
        if attempt <= int(told.get("attempts", 1_000)):
            self.hold_seconds = float(told.get("hold", 0))
            self.steps = int(told.get("steps", 0))
            if "fail" in told:
                self._hold(guard)
                raise VisionError(told["fail"], "told to fail", bool(told.get("retryable")))
        guard.tell(pictures=len(request.targets))
        super().run(request, guard, result)

    def _hold(self, guard: Guard) -> None:
        """Hold in steps, each of which is told of."""
        if self.steps:
            guard.tell(stage="model", drawn=0)
            self.hold_seconds /= self.steps
        for step in range(self.steps or 1):
            if self.steps:
                guard.tell(step=step, steps=self.steps)
            super()._hold(guard)
