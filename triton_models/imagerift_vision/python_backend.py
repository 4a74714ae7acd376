"""Triton's API for Python models (`triton_python_backend_utils`), without Triton.

What models of the Python backend import, as its documentation has it: tensors that lie in this
process, requests and responses, answers that are sent later from any thread, as decoupled models
do, and calls of other models, which `python_models` carries out. What only a server has (batching,
tensors on a GPU, DLPack) is not here: a model that asks for it does not load.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

# As Triton has it: behind this response comes no other.
TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1


class TritonModelException(Exception):
    """What a model raises to fail a request."""


class TritonError:
    """Why a response holds no tensors."""

    def __init__(self, message: str) -> None:
        self._message = message

    def message(self) -> str:
        return self._message


class Tensor:
    """A named array; texts are arrays of bytes objects."""

    def __init__(self, name: str, array: NDArray[Any]) -> None:
        self._name = name
        self._array = array

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> NDArray[Any]:
        return self._array

    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    def is_cpu(self) -> bool:
        return True


class InferenceResponse:
    """What a model answers: tensors, or an error."""

    def __init__(
        self, output_tensors: Sequence[Tensor] = (), error: TritonError | None = None
    ) -> None:
        self._tensors = list(output_tensors)
        self._error = error

    def output_tensors(self) -> list[Tensor]:
        return self._tensors

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error


class ResponseSender:
    """Hands responses to whoever waits for them; let go of, it sends no more."""

    def __init__(self, sent: SimpleQueue[InferenceResponse | None]) -> None:
        """`sent` takes the responses, and None behind the last."""
        self._sent = sent
        self._ended = False

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        """Send a response, the end, or both. Raises TritonModelException after the end."""
        if self._ended:
            raise TritonModelException("the response before this one was the last")
        if response is not None:
            self._sent.put(response)
        if flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL:
            self._end()

    def is_cancelled(self) -> bool:
        return False

    def _end(self) -> None:
        self._ended = True
        self._sent.put(None)

    def __del__(self) -> None:
        if not self._ended:
            self._end()


class InferenceRequest:
    """A call of a model, both as a model makes it and as it is handed it."""

    runs: Callable[["InferenceRequest"], list[InferenceResponse]] | None = None
    """Carries calls out; `python_models` sets it."""

    def __init__(
        self,
        model_name: str,
        requested_output_names: Sequence[str],
        inputs: Sequence[Tensor],
        request_id: str = "",
        model_version: int = -1,
    ) -> None:
        self._model = model_name
        self._wanted = list(requested_output_names)
        self._inputs = list(inputs)
        self._id = request_id
        self._version = model_version
        self._sent: SimpleQueue[InferenceResponse | None] | None = None

    def model_name(self) -> str:
        return self._model

    def requested_output_names(self) -> list[str]:
        return self._wanted

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def request_id(self) -> str:
        return self._id

    def is_cancelled(self) -> bool:
        return False

    def get_response_sender(self) -> ResponseSender:
        """What answers this request when its model's `execute` has long returned."""
        self._sent = SimpleQueue()
        return ResponseSender(self._sent)

    def sent(self) -> Iterator[InferenceResponse]:
        """What is sent, as it comes, until the last; nothing where no sender was asked for."""
        while self._sent is not None and (response := self._sent.get()) is not None:
            yield response

    def exec(self, *, decoupled: bool = False) -> InferenceResponse | Iterator[InferenceResponse]:
        """Run the model that it names; an error of its own is part of the response.

        One response; `decoupled`: all that it sends.
        """
        if InferenceRequest.runs is None:
            raise TritonModelException("there is no model to call")
        responses = InferenceRequest.runs(self)
        if decoupled:
            return iter(responses)
        if len(responses) != 1:
            return InferenceResponse(error=TritonError(f"{self._model}: it wants decoupled=True"))
        return responses[0]


class Logger:
    """The server's log."""

    @staticmethod
    def log_info(message: str) -> None:
        log.info("%s", message)

    @staticmethod
    def log_warn(message: str) -> None:
        log.warning("%s", message)

    @staticmethod
    def log_error(message: str) -> None:
        log.error("%s", message)

    @staticmethod
    def log_verbose(message: str) -> None:
        log.debug("%s", message)


def get_input_tensor_by_name(request: InferenceRequest, name: str) -> Tensor | None:
    """The request's tensor of that name, None where it has none."""
    return next((one for one in request.inputs() if one.name() == name), None)


def get_output_tensor_by_name(response: InferenceResponse, name: str) -> Tensor | None:
    """The response's tensor of that name, None where it has none."""
    return next((one for one in response.output_tensors() if one.name() == name), None)


_TYPES: dict[str, Any] = {
    "TYPE_BOOL": np.bool_,
    "TYPE_UINT8": np.uint8,
    "TYPE_UINT16": np.uint16,
    "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64,
    "TYPE_INT8": np.int8,
    "TYPE_INT16": np.int16,
    "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64,
    "TYPE_FP16": np.float16,
    "TYPE_FP32": np.float32,
    "TYPE_FP64": np.float64,
    "TYPE_STRING": np.object_,
}


def triton_string_to_numpy(name: str) -> Any:
    """NumPy's type for one of Triton's. Raises KeyError where there is none."""
    return _TYPES[name]
