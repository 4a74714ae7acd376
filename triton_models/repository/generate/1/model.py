"""Triton entry model `generate`: REQUEST in, RESULT out; the mode's model is called by BLS."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from imagerift_vision.control import CancelFlags
from imagerift_vision.entry_model import answer
from imagerift_vision.generate import Pipeline
from imagerift_vision.progress import say_slots
from imagerift_vision.settings import Settings
from imagerift_vision.storage import OriginClient
from imagerift_vision.tensors import BlsGate, BlsModes, read_text, respond, text_tensor


class TritonPythonModel:
    """One slot: one attempt at a time, from fetch to the last upload."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the settings and make the storage client."""
        settings = Settings.from_environment()
        say_slots(settings.control_dir, args["model_name"], args["model_config"])
        self.flags = CancelFlags(settings.control_dir)
        gate = BlsGate(settings.moderation_model) if settings.moderation_model else None
        client = OriginClient(settings.s3_origin)
        self.pipeline = Pipeline(
            client, BlsModes(), settings.mode_models, gate, at_once=settings.at_once
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request; failures are part of RESULT, never of Triton's protocol."""
        return [self._one(request) for request in requests]

    def _one(self, request: Any) -> Any:
        result = answer(read_text(request, "REQUEST"), self.flags, self.pipeline.run)
        return respond(text_tensor("RESULT", result.to_json()))

    def finalize(self) -> None:
        """Close the connection to storage; end the processes that decode."""
        self.pipeline.close()
