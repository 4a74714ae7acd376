"""Triton entry model `noop`: the contract of `generate` without a pixel decoded."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2] / "noop"), str(HERE.parents[4] / "triton_models")]

from passthrough_model import PassthroughModel  # noqa: E402


class TritonPythonModel(PassthroughModel):
    """Copies the source to each target."""
