"""Triton model `echo`: a raw tensor in, the same tensor out. Measures the transport alone."""

from typing import Any

import triton_python_backend_utils as pb


class TritonPythonModel:
    """Gives back what it is given."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """Wrap each input's bytes as the output."""
        return [
            pb.InferenceResponse(
                [pb.Tensor("OUTPUT", pb.get_input_tensor_by_name(request, "INPUT").as_numpy())]
            )
            for request in requests
        ]
