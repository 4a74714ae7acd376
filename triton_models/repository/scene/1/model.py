"""Triton model `scene`: a product in new surroundings, kept as it is. Called by `generate`.

What is around it is drawn by the pool's diffusion model, called by BLS, or is the studio's own set.
"""

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from imagerift_vision.mode_server import ModeServer
from imagerift_vision.scene_backgrounds import backgrounds_of
from imagerift_vision.scene_mode import SceneMode
from imagerift_vision.settings import Settings
from imagerift_vision.tensors import BlsModes


class TritonPythonModel:
    """One slot of the scene mode."""

    def initialize(self, _args: dict[str, str]) -> None:
        """Load the networks."""
        model = Settings.from_environment().background_model
        backgrounds = backgrounds_of(BlsModes(), model, os.environ)
        self.server = ModeServer("scene", lambda threads: SceneMode(threads, backgrounds))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return self.server.execute(requests)
