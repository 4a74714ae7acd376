"""Triton tensors to plain values and back. The only module that knows Triton's Python API."""

from typing import Any

import numpy as np
import triton_python_backend_utils as pb
from numpy.typing import NDArray

from imagerift_vision.errors import VisionError
from imagerift_vision.generate import ModeAnswer, ModeCall
from imagerift_vision.mode_documents import info_of, parameters_of, read_info
from imagerift_vision.moderation import Look, Verdict, read_verdict


def read_text(request: Any, name: str) -> bytes:
    """The single element of a TYPE_STRING input."""
    element = pb.get_input_tensor_by_name(request, name).as_numpy().reshape(-1)[0]
    return element if isinstance(element, bytes) else str(element).encode()


def read_array(request: Any, name: str) -> NDArray[np.uint8]:
    """A numeric input as an array."""
    array: NDArray[np.uint8] = pb.get_input_tensor_by_name(request, name).as_numpy()
    return array


def text_tensor(name: str, text: str) -> Any:
    """A TYPE_STRING tensor of one element."""
    return pb.Tensor(name, np.array([text.encode()], dtype=np.object_))


def respond(*tensors: Any) -> Any:
    """An inference response."""
    return pb.InferenceResponse(output_tensors=list(tensors))


def mode_answer(answer: ModeAnswer) -> Any:
    """A mode model's response: IMAGES and INFO."""
    return respond(
        pb.Tensor("IMAGES", np.ascontiguousarray(answer.images)),
        text_tensor("INFO", info_of(answer)),
    )


class BlsModes:
    """Mode models on the same server, called by business logic scripting; blocks until done."""

    def call(self, call: ModeCall) -> ModeAnswer:
        """Run the mode's model.

        Raises VisionError `model_error` when the server cannot run it, `out_of_memory` when it
        could not hold the tensors.
        """
        response = pb.InferenceRequest(
            model_name=call.model,
            requested_output_names=["IMAGES", "INFO"],
            inputs=[
                pb.Tensor("IMAGE", np.ascontiguousarray(call.image)),
                text_tensor("PARAMETERS", parameters_of(call)),
            ],
        ).exec()
        if response.has_error():
            raise VisionError("model_error", "the mode's model could not be run", retryable=True)
        info = pb.get_output_tensor_by_name(response, "INFO").as_numpy().reshape(-1)[0]
        return read_info(info, pb.get_output_tensor_by_name(response, "IMAGES").as_numpy())


class BlsGate:
    """The safety gate's model on the same server; blocks until done."""

    def __init__(self, model: str) -> None:
        """`model` is its name in the repository."""
        self.name = model

    def look(self, look: Look) -> Verdict:
        """Judge the pictures.

        Raises VisionError `model_error` when the server cannot run the model (retryable) or it
        breaks its contract.
        """
        response = pb.InferenceRequest(
            model_name=self.name,
            requested_output_names=["VERDICT"],
            inputs=[
                pb.Tensor("IMAGES", np.ascontiguousarray(look.images)),
                text_tensor("PARAMETERS", look.parameters()),
            ],
        ).exec()
        if response.has_error():
            raise VisionError("model_error", "the safety gate could not be run", retryable=True)
        raw = pb.get_output_tensor_by_name(response, "VERDICT").as_numpy().reshape(-1)[0]
        return read_verdict(raw, len(look.images))
