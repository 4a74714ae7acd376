"""How every network is loaded: few threads, no memory arena, weights from installed packages."""

import ctypes
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import cv2
import onnxruntime

from imagerift_vision.requests import ModelVersion


def packaged_file(package: str, *parts: str) -> Path:
    """A data file of an installed package, found without importing the package.

    Raises FileNotFoundError when the package or the file is not installed.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, *parts)
        if path.is_file():
            return path
    raise FileNotFoundError(f"{package}/{'/'.join(parts)} is not installed")


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """An onnxruntime session on the CPU whose memory shrinks back after each run."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The arena keeps the largest picture's memory for ever.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def limit_threads(threads: int) -> None:
    """Bound OpenCV's own thread pool in this process."""
    cv2.setNumThreads(threads)


def give_memory_back() -> None:
    """Return freed pages to the system: glibc would keep the largest picture's for the next one."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@cache
def package_version(name: str, distribution: str) -> ModelVersion:
    """A model's name with the version of the distribution that its weights ship in."""
    return ModelVersion(name, version(distribution))
