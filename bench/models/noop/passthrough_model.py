"""The Triton side that `noop` and `delay` share."""

from typing import Any

from imagerift_vision.control import CancelFlags
from imagerift_vision.entry_model import answer
from imagerift_vision.settings import Settings
from imagerift_vision.storage import OriginClient
from imagerift_vision.tensors import read_text, respond, text_tensor
from passthrough import Passthrough


class PassthroughModel:
    """An entry model with the contract of `generate` and no pixels."""

    hold_seconds = 0.0

    def initialize(self, _args: dict[str, str]) -> None:
        """Read the settings and make the storage client."""
        settings = Settings.from_environment()
        self.flags = CancelFlags(settings.control_dir)
        self.work = Passthrough(OriginClient(settings.s3_origin), self.hold_seconds)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return [self._one(request) for request in requests]

    def _one(self, request: Any) -> Any:
        result = answer(read_text(request, "REQUEST"), self.flags, self.work.run)
        return respond(text_tensor("RESULT", result.to_json()))
