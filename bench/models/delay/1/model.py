"""Triton entry model `delay`: `noop` with a fixed wait that cancel and deadline cut short."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2] / "noop"), str(HERE.parents[4] / "triton_models")]

from passthrough_model import PassthroughModel  # noqa: E402


class TritonPythonModel(PassthroughModel):
    """Waits, then copies the source to each target."""

    hold_seconds = 0.1
