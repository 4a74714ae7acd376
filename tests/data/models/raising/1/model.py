"""An entry model that fails and quotes all it was given: the wish, and the signed addresses."""

from typing import Any

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Never answers."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """Raise."""
        tensor = pb_utils.get_input_tensor_by_name(requests[0], "REQUEST")
        raise RuntimeError(f"cannot do {tensor.as_numpy()[0]}")
