"""A safety gate with a network, off by default: open_nsfw of Yahoo's scores a picture, 0 to 1.

It knows pornography in photographs, as its makers saw it in 2016. It reads no prompt, and knows
nothing of violence, likeness or age. How often it errs is in docs/models.md, "Safety gate". Its
weights (BSD-2-Clause) are not here: the steps there put them beside this file. Imports no
ImageRift, and runs on pools' servers and in job pods alike.
"""

import json
import sys
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from score import SHA256, Scorer, check  # noqa: E402


class TritonPythonModel:
    """Blocks what scores above limits.json, which may change while the server runs."""

    @staticmethod
    def check(_args):
        """Raise where the weights are not there, or are others."""
        check()

    def initialize(self, _args):
        """Load the network."""
        self._scorer = Scorer()

    def execute(self, requests):
        """Answer each request with a VERDICT."""
        limits = json.loads((HERE / "limits.json").read_text())
        return [self._answer(request, limits) for request in requests]

    def _answer(self, request, limits):
        images = pb.get_input_tensor_by_name(request, "IMAGES").as_numpy()
        text = pb.get_input_tensor_by_name(request, "PARAMETERS").as_numpy().reshape(-1)[0]
        limit = limits[json.loads(text)["stage"]]
        verdict = {
            "blocked": [
                index for index, image in enumerate(images) if self._scorer.score(image) > limit
            ],
            "models": [{"name": "open_nsfw", "version": SHA256[:12]}],
        }
        return pb.InferenceResponse(
            output_tensors=[
                pb.Tensor("VERDICT", np.array([json.dumps(verdict).encode()], dtype=np.object_))
            ]
        )
