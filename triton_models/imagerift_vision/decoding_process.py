"""Decodes in a process of its own, which ends when the attempt does.

Decoders of strangers' pictures look at no deadline, and may take more CPU or memory than there is,
or crash.
"""

import select
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from imagerift_contract.picture_files.rules import too_costly
from imagerift_contract.picture_processes.client import NotRead, PictureProcesses, Raised, Reading
from imagerift_contract.picture_processes.limits import Limits

from imagerift_vision.control import Guard
from imagerift_vision.decoding import Source, decode
from imagerift_vision.errors import VisionError, failed

# How long a cancel or a deadline may go unnoticed.
LOOK_SECONDS = 0.05
LIMITS = Limits(
    # Of 50 megapixels the dearest takes 5 s (a PNG of 16 bits) and 1.1 GB (a lossless WebP).
    cpu_seconds=60,
    memory_bytes=2048 * 1024 * 1024,
    # 4096 x 4096 pixels of four bytes.
    result_bytes=64 * 1024 * 1024,
    wall_seconds=300,
)


def leave(data: bytes, arguments: dict[str, Any], result: int) -> dict[str, Any]:
    """`decode` into a shared file (a `Work`): what it gives but the pixels, or the error."""
    try:
        source = decode(data, arguments["long_edge"])
    except VisionError as error:
        return {"error": asdict(error)}
    with open(result, "wb", closefd=False) as file:
        file.write(np.ascontiguousarray(source.rgba).data)
    return {"shape": source.rgba.shape, "width": source.width, "height": source.height}


def _processes() -> PictureProcesses:
    processes = PictureProcesses(f"{__name__}:{leave.__name__}")
    processes.warm_up()
    return processes


@dataclass
class DecodingProcess:
    """Decodes pictures, a process for each."""

    limits: Limits = LIMITS
    processes: PictureProcesses = field(default_factory=_processes)

    def decode(self, data: bytes, long_edge: int, guard: Guard) -> Source:
        """As `decode` of the same bytes.

        Raises VisionError as that does; `canceled` or `timeout`, by which the process is ended;
        `image_unreadable` for a picture that takes its process with it.
        """
        try:
            with closing(
                self.processes.begin(data, {"long_edge": long_edge}, self.limits)
            ) as reading:
                _wait(reading, guard)
                told, pixels = reading.finish()
        except NotRead as error:
            raise _UNREAD[error.why]() from None
        except Raised as error:
            raise failed(error.kind) from None
        if "error" in told:
            raise VisionError(**told["error"])
        rgba = np.frombuffer(pixels, np.uint8).reshape(told["shape"])
        return Source(rgba, told["width"], told["height"])

    def close(self) -> None:
        """End the processes."""
        self.processes.close()


def _wait(reading: Reading, guard: Guard) -> None:
    """Until the process has ended. Raises what the guard raises."""
    while not select.select([reading.answers], [], [], LOOK_SECONDS)[0]:
        guard.check()


def _broke() -> VisionError:
    refusal = too_costly()
    return VisionError(refusal.code, refusal.message)


_UNREAD: dict[str, Callable[[], VisionError]] = {
    "broke": _broke,
    "late": lambda: VisionError(
        "model_error", "the picture was not decoded in time", retryable=True
    ),
    "lost": lambda: VisionError("out_of_memory", "the model ran out of memory", retryable=True),
}
