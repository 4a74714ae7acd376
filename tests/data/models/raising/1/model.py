"""An entry model that breaks at every request."""

from typing import Any


class TritonPythonModel:
    """Never answers."""

    def execute(self, _requests: list[Any]) -> list[Any]:
        """Raise."""
        raise RuntimeError("the model is broken")
