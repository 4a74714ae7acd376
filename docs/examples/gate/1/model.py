"""A safety gate of your own: block lists of words and of known pictures. Imports no ImageRift.

The contract is docs/models.md, "Safety gate"; any Triton backend may keep it, and a classifier
would look at IMAGES where this one compares fingerprints.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from fingerprint import alike, fingerprint  # noqa: E402


class TritonPythonModel:
    """Looks pictures and prompts up in blocked.json, which may change while the server runs."""

    def execute(self, requests):
        """Answer each request with a VERDICT."""
        lists = json.loads((HERE / "blocked.json").read_text())
        return [self._answer(request, lists) for request in requests]

    def _answer(self, request, lists):
        images = pb.get_input_tensor_by_name(request, "IMAGES").as_numpy()
        text = pb.get_input_tensor_by_name(request, "PARAMETERS").as_numpy().reshape(-1)[0]
        asked = json.loads(text)
        verdict = {
            "blocked": [
                index
                for index, image in enumerate(images)
                if self._is_known(image, lists["pictures"])
            ],
            "models": [{"name": "gate", "version": "1"}],
        }
        words = set(re.findall(r"\w+", asked["prompt"].casefold()))
        # A prompt has no position of its own: it is the job's one input that is blocked.
        if asked["stage"] == "input" and words & set(lists["words"]):
            verdict["blocked"] = [0]
        return pb.InferenceResponse(
            output_tensors=[
                pb.Tensor("VERDICT", np.array([json.dumps(verdict).encode()], dtype=np.object_))
            ]
        )

    @staticmethod
    def _is_known(image, known):
        own = fingerprint(image)
        return any(alike(own, one) for one in known)
