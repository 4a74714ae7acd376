"""Triton model `control`: flags attempts of this server as canceled, tells how far they are."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from imagerift_vision.control import CancelFlags, RunningAttempts, read_command
from imagerift_vision.progress import read_slots
from imagerift_vision.settings import Settings
from imagerift_vision.tensors import read_text, respond, text_tensor


class TritonPythonModel:
    """Raises cancel flags, sweeps old ones, and reads what attempts tell."""

    def initialize(self, _args: dict[str, str]) -> None:
        """Sweep what earlier runs left."""
        folder = Settings.from_environment().control_dir
        self.flags = CancelFlags(folder)
        self.attempts = RunningAttempts(folder)
        self.flags.sweep()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return [self._one(request) for request in requests]

    def _one(self, request: Any) -> Any:
        command = read_command(read_text(request, "COMMAND"))
        if command.cancel is not None:
            self.flags.raise_flag(command.cancel)
            self.flags.sweep()
        told: dict[str, Any] = {"flagged": command.cancel is not None}
        if command.progress is not None:
            told["progress"] = self.attempts.progress(command.progress)
            told["slots"] = read_slots(self.attempts.folder)
        return respond(text_tensor("RESULT", json.dumps(told)))
