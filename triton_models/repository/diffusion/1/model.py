"""Triton model `diffusion`: sources redrawn by mounted weights. Called by `generate`."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from imagerift_vision.diffusion import DiffusionMode
from imagerift_vision.diffusion_check import check_diffusion
from imagerift_vision.diffusion_settings import DiffusionSettings
from imagerift_vision.diffusion_shelf import Shelf
from imagerift_vision.mode_server import ModeServer

SITE = "IMAGERIFT_DIFFUSION_SITE"


class TritonPythonModel:
    """One slot: the pool's weights on one device."""

    @staticmethod
    def check(args: dict[str, str]) -> None:
        """Raise where the weights, or the packages that draw with them, are not there."""
        _find_packages()
        settings = DiffusionSettings.from_environment()
        check_diffusion(settings, on_gpu=args["model_instance_kind"] == "GPU")

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights on the device that the pool gives this instance."""
        _find_packages()
        # Here, not above: Triton reads this file once more before, to complete its configuration.
        network_of = import_module("imagerift_vision.diffusion_network").DiffusersNetwork

        on_gpu = args["model_instance_kind"] == "GPU"
        device = f"cuda:{args['model_instance_device_id']}" if on_gpu else "cpu"
        settings = DiffusionSettings.from_environment()

        def make(threads: int) -> DiffusionMode:
            shelf = Shelf(settings, lambda one: network_of(one, device, threads))
            return DiffusionMode(settings, shelf, threads)

        self.server = ModeServer("diffusion", make)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return self.server.execute(requests)


def _find_packages() -> None:
    """Triton's stub reads no PYTHONPATH, so a folder of packages is named by a variable."""
    if SITE in os.environ and os.environ[SITE] not in sys.path:
        sys.path.append(os.environ[SITE])
