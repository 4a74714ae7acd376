"""A mode's model that breaks its contract in the way its preset names."""

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    """Answers wrongly."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        text = pb.get_input_tensor_by_name(request, "PARAMETERS").as_numpy().reshape(-1)[0]
        wanted = json.loads(text)
        fault = wanted["preset"]
        shape = [len(wanted["seeds"]), wanted["height"], wanted["width"], 3]
        info: dict[str, Any] = {"preset": fault, "models": [], "omitted": [], "error": None}
        if fault == "size":
            shape[1] //= 2
        elif fault == "count":
            shape[0] += 1
        elif fault == "code":
            info["error"] = {"code": "SECRET", "message": "SECRET", "retryable": False}
        document = "SECRET: not JSON" if fault == "text" else json.dumps(info)
        return pb.InferenceResponse(
            output_tensors=[
                pb.Tensor("IMAGES", np.zeros(shape, np.uint8)),
                pb.Tensor("INFO", np.array([document.encode()], dtype=np.object_)),
            ]
        )
