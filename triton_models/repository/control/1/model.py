"""Triton model `control`: flags attempts as canceled, and tells what the server's modes can do."""

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from imagerift_vision.abilities import abilities, is_question
from imagerift_vision.control import CancelFlags, read_command
from imagerift_vision.settings import Settings
from imagerift_vision.tensors import read_text, respond, text_tensor


class TritonPythonModel:
    """Raises cancel flags and sweeps old ones."""

    def initialize(self, _args: dict[str, str]) -> None:
        """Sweep what earlier runs left."""
        settings = Settings.from_environment()
        self.flags = CancelFlags(settings.control_dir)
        self.abilities = abilities(settings, os.environ)
        self.flags.sweep()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Flag each request's attempt."""
        return [self._one(request) for request in requests]

    def _one(self, request: Any) -> Any:
        command = read_text(request, "COMMAND")
        if is_question(command):
            told = {"flagged": False, "modes": self.abilities}
            return respond(text_tensor("RESULT", json.dumps(told)))
        attempt_id = read_command(command)
        if attempt_id is not None:
            self.flags.raise_flag(attempt_id)
            self.flags.sweep()
        return respond(text_tensor("RESULT", json.dumps({"flagged": attempt_id is not None})))
