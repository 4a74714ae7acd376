"""A mode's model as a careless team might write it: it raises, and quotes what it was given."""

from typing import Any


class TritonPythonModel:
    """Never answers."""

    def execute(self, _requests: list[Any]) -> list[Any]:
        """Raise."""
        raise RuntimeError("SECRETPROMPT http://secret/source/photo")
