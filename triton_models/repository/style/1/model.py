"""Triton model `style`: the mode behind prompts and presets. Called by `generate`."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from imagerift_vision.mode_server import ModeServer
from imagerift_vision.style import StyleMode


class TritonPythonModel:
    """One slot of the style mode."""

    def initialize(self, _args: dict[str, str]) -> None:
        """Load the networks."""
        self.server = ModeServer("style", StyleMode)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return self.server.execute(requests)
