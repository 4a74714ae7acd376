"""Triton model `diffusion`: sources redrawn by mounted weights. Called by `generate`."""

import os
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from imagerift_vision.diffusion import DiffusionMode
from imagerift_vision.diffusion_check import check_diffusion
from imagerift_vision.diffusion_settings import DiffusionSettings
from imagerift_vision.diffusion_together import TogetherNetwork
from imagerift_vision.loaded_networks import LoadedNetworks
from imagerift_vision.mode_server import SharedModeServer

SITE = "IMAGERIFT_DIFFUSION_SITE"


class TritonPythonModel:
    """The pool's weights on one device, drawn with for several jobs at once."""

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

        turn = threading.Lock()

        def make(threads: int) -> DiffusionMode:
            loaded = LoadedNetworks(settings, lambda one: network_of(one, device, threads))
            collect = settings.collect_ms / 1000
            self.network = TogetherNetwork(loaded, settings.batch, collect, turn)
            return DiffusionMode(settings, self.network, threads)

        # So many that the next drawing is made ready while one is drawn.
        self.server = SharedModeServer("diffusion", make, turn, at_once=2 * settings.batch)

    def execute(self, requests: list[Any]) -> None:
        """Have each request answered, later."""
        self.server.execute(requests)

    def finalize(self) -> None:
        """Answer what was asked, and end."""
        self.server.close()
        self.network.close()


def _find_packages() -> None:
    """Triton's stub reads no PYTHONPATH, so a folder of packages is named by a variable."""
    if SITE in os.environ and os.environ[SITE] not in sys.path:
        sys.path.append(os.environ[SITE])
