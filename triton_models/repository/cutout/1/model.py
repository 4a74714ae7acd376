"""Triton model `cutout`: the subject alone, on nothing or on a colour. Called by `generate`."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from imagerift_vision.cutout import CutoutMode
from imagerift_vision.mode_server import ModeServer


class TritonPythonModel:
    """One slot of the cutout mode."""

    def initialize(self, _args: dict[str, str]) -> None:
        """Load the networks."""
        self.server = ModeServer("cutout", CutoutMode)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return self.server.execute(requests)
