"""Triton model `remote`: sources drawn by an engine outside. Called by `generate`."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from imagerift_vision.decoding_process import DecodingProcess
from imagerift_vision.diffusion import DiffusionMode
from imagerift_vision.engines.network import EngineNetwork
from imagerift_vision.engines.settings import EngineSettings
from imagerift_vision.mode_server import ModeServer


class TritonPythonModel:
    """One slot: one call of the engine at a time, or as many as the settings' `batch`."""

    @staticmethod
    def check(_args: dict[str, str]) -> None:
        """Raise where the settings name no engine that could draw."""
        EngineSettings.from_environment()

    def initialize(self, _args: dict[str, str]) -> None:
        """Read the settings; load the networks that frame and enlarge."""
        settings = EngineSettings.from_environment()
        self.network = EngineNetwork(settings, DecodingProcess())
        self.server = ModeServer(
            "remote", lambda threads: DiffusionMode(settings, self.network, threads)
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return self.server.execute(requests)

    def finalize(self) -> None:
        """End what runs beside it."""
        self.network.close()
