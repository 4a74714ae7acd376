"""Triton model `control`: flags attempts of this server as canceled, tells how far they are, and
what the server's modes can do."""

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from imagerift_vision.abilities import abilities, is_question
from imagerift_vision.control import CancelFlags, RunningAttempts, read_command
from imagerift_vision.progress import read_slots
from imagerift_vision.settings import Settings
from imagerift_vision.tensors import read_text, respond, text_tensor


class TritonPythonModel:
    """Raises cancel flags, sweeps old ones, and reads what attempts tell."""

    def initialize(self, _args: dict[str, str]) -> None:
        """Sweep what earlier runs left."""
        settings = Settings.from_environment()
        self.flags = CancelFlags(settings.control_dir)
        self.attempts = RunningAttempts(settings.control_dir)
        self.abilities = abilities(settings, os.environ)
        self.flags.sweep()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return [self._one(request) for request in requests]

    def _one(self, request: Any) -> Any:
        raw = read_text(request, "COMMAND")
        if is_question(raw):
            answer = {"flagged": False, "modes": self.abilities}
            return respond(text_tensor("RESULT", json.dumps(answer)))
        command = read_command(raw)
        if command.cancel is not None:
            self.flags.raise_flag(command.cancel)
            self.flags.sweep()
        told: dict[str, Any] = {"flagged": command.cancel is not None}
        if command.progress is not None:
            told["progress"] = self.attempts.progress(command.progress)
            told["slots"] = read_slots(self.attempts.folder)
        return respond(text_tensor("RESULT", json.dumps(told)))
