"""Triton model `diffusion`: sources redrawn by mounted weights. Called by `generate`."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from imagerift_vision.diffusion import DiffusionMode
from imagerift_vision.diffusion_network import DiffusersNetwork
from imagerift_vision.diffusion_settings import DiffusionSettings
from imagerift_vision.mode_server import ModeServer


class TritonPythonModel:
    """One slot: one pipeline on one device."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights on the device that the pool gives this instance."""
        on_gpu = args["model_instance_kind"] == "GPU"
        device = f"cuda:{args['model_instance_device_id']}" if on_gpu else "cpu"
        settings = DiffusionSettings.from_environment()

        def make(threads: int) -> DiffusionMode:
            network = DiffusersNetwork(settings.weights, device, threads)
            return DiffusionMode(settings, network, threads)

        self.server = ModeServer("diffusion", make)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return self.server.execute(requests)
