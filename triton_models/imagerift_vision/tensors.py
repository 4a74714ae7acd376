"""Triton tensors to plain values and back. The only module that knows Triton's Python API."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import triton_python_backend_utils as pb
from imagerift_contract.values import MAX_REFERENCES
from numpy.typing import NDArray

from imagerift_vision.errors import VisionError
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.mode_documents import info_of, parameters_of, read_info
from imagerift_vision.moderation import Look, Verdict, read_verdict

# Inputs of models that look at more pictures than IMAGE: REFERENCE_0 and so on.
REFERENCE = "REFERENCE_"


def read_text(request: Any, name: str) -> bytes:
    """The single element of a TYPE_STRING input."""
    element = pb.get_input_tensor_by_name(request, name).as_numpy().reshape(-1)[0]
    return element if isinstance(element, bytes) else str(element).encode()


def read_array(request: Any, name: str) -> NDArray[np.uint8]:
    """A numeric input as an array."""
    array: NDArray[np.uint8] = pb.get_input_tensor_by_name(request, name).as_numpy()
    return array


def read_references(request: Any) -> tuple[NDArray[np.uint8], ...]:
    """The pictures beside IMAGE; none for a model that has no such inputs."""
    tensors = [
        pb.get_input_tensor_by_name(request, f"{REFERENCE}{position}")
        for position in range(MAX_REFERENCES)
    ]
    return tuple(tensor.as_numpy() for tensor in tensors if tensor is not None)


def text_tensor(name: str, text: str) -> Any:
    """A TYPE_STRING tensor of one element."""
    return pb.Tensor(name, np.array([text.encode()], dtype=np.object_))


def respond(*tensors: Any) -> Any:
    """An inference response."""
    return pb.InferenceResponse(output_tensors=list(tensors))


def mode_answer(answer: ModeAnswer, waited: float = 0.0) -> Any:
    """A mode model's response, IMAGES and INFO, to a call that waited so many seconds for it."""
    return respond(
        pb.Tensor("IMAGES", np.ascontiguousarray(answer.images)),
        text_tensor("INFO", info_of(replace(answer, waited=waited))),
    )


def answer_later(request: Any) -> Callable[[Any], None]:
    """What sends a decoupled model's one response to a request, from any thread."""
    sender = request.get_response_sender()

    def send(response: Any) -> None:
        sender.send(response, flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    return send


class BlsModes:
    """Mode models on the same server, called by business logic scripting; blocks until done."""

    def call(self, call: ModeCall) -> ModeAnswer:
        """Run the mode's model.

        Raises VisionError `model_error` when the server cannot run it, `out_of_memory` when it
        could not hold the tensors.
        """
        responses = pb.InferenceRequest(
            model_name=call.model,
            requested_output_names=["IMAGES", "INFO"],
            inputs=[
                pb.Tensor("IMAGE", np.ascontiguousarray(call.image)),
                text_tensor("PARAMETERS", parameters_of(call)),
                *(
                    pb.Tensor(f"{REFERENCE}{position}", np.ascontiguousarray(picture))
                    for position, picture in enumerate(call.references)
                ),
            ],
        ).exec(decoupled=True)
        # Of a decoupled model or not: one response, and from some an empty one behind it.
        response = None
        for one in responses:
            response = one if response is None and _has_tensors(one) else response
        if response is None or response.has_error():
            raise VisionError("model_error", "the mode's model could not be run", retryable=True)
        info = pb.get_output_tensor_by_name(response, "INFO").as_numpy().reshape(-1)[0]
        return read_info(info, pb.get_output_tensor_by_name(response, "IMAGES").as_numpy())


def _has_tensors(response: Any) -> bool:
    return bool(response.has_error() or response.output_tensors())


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
