"""The one family of errors that leaves the model server: a code, a message, a retry class."""

from dataclasses import dataclass
from typing import get_args

from imagerift_contract.values import ErrorCode

ERROR_CODES: tuple[ErrorCode, ...] = get_args(ErrorCode)
# These end the whole job; every other code may end one variation alone.
JOB_ENDING: frozenset[str] = frozenset({"canceled", "timeout"})

OUT_OF_MEMORY_SIGNS = (
    "Insufficient memory",
    "bad_alloc",
    "can't allocate memory",
    "CUDA out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


@dataclass
class VisionError(Exception):
    """A failure with a code that clients see.

    The message is shown to people: it never holds a URL, a signature or a prompt.
    """

    code: ErrorCode
    message: str
    retryable: bool = False

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def as_dict(self) -> dict[str, str | bool]:
        """The `error` member of a RESULT or INFO document."""
        return {"code": self.code, "message": self.message, "retryable": self.retryable}


def from_exception(error: BaseException) -> VisionError:
    """Turn anything that was raised into an error that is safe to show.

    Only the type of an unknown exception is told: its text may quote a URL or a prompt.
    """
    if isinstance(error, VisionError):
        return error
    # OpenCV, onnxruntime and PyTorch raise types of their own when an allocation fails.
    text = str(error)
    if isinstance(error, MemoryError) or any(sign in text for sign in OUT_OF_MEMORY_SIGNS):
        return VisionError("out_of_memory", "the model ran out of memory", retryable=True)
    return failed(type(error).__name__)


def failed(kind: str) -> VisionError:
    """What an exception of a type that is no VisionError is shown as."""
    return VisionError("model_error", f"the model failed ({kind})")
