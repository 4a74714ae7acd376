"""Networks in ONNX: which one a slot has, whether it is of its family, what goes in and out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from imagerift_vision.requests import ModelVersion
from imagerift_vision.runtime import open_session
from imagerift_vision.weights.families import FAMILIES
from imagerift_vision.weights.shelf import Network, Shelf

Float = NDArray[np.float32]

FLOAT = "tensor(float)"
# Enough of a checksum to tell one file from another.
TOLD_DIGITS = 12
# What a network that takes any size is tried with.
SAMPLE_SIDE = 32


def in_use(slot: str, shelf: Shelf | None = None) -> Network | None:
    """The network of the slot, its checksum right; None for the package's.

    Without `shelf` it is the environment's. Raises ValueError where it cannot be used.
    """
    network = (shelf or Shelf.from_environment()).used(slot)
    if network is not None:
        network.check()
    return network


def version_of(network: Network) -> ModelVersion:
    """Its name, and the beginning of its checksum."""
    return ModelVersion(network.name, f"sha256:{network.sha256[:TOLD_DIGITS]}")


class OnnxNetwork:
    """A network that is fed and read as its family says."""

    def __init__(self, path: Path, family: str, threads: int) -> None:
        """Load the weights.

        Raises ValueError where the file is no network in ONNX, or not of the family.
        """
        self.family = FAMILIES[family]
        try:
            self._session = open_session(path, threads)
        except Exception as error:  # noqa: BLE001 - onnxruntime has one for each of its states
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path.name} is no network in ONNX: {reason}") from None
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        side, taken = self.family.side, f"{path.name} is no network of the family {family}"
        if len(inputs) != 1:
            raise ValueError(f"{taken}: it has {len(inputs)} inputs, not 1")
        self._input = _checked(f"{taken}: input", inputs, 0, 3, side)
        read = [self.family.output]
        if self.family.coarse is not None:
            read.append(self.family.coarse)
        made = None if side is None else side * self.family.scale
        self._outputs = [
            _checked(f"{taken}: output {at}", outputs, at, self.family.channels, made)
            for at in read
        ]

    def run(self, rgb: Float) -> list[Float]:
        """[h, w, 3] of the family's size, sRGB from 0 to 1, to what it makes of it.

        A map is [h, w], 0 to 1; the second is the coarse one, where the family has one. A picture
        is [h, w, 3], about 0 to 1.
        """
        mean = np.array(self.family.mean, np.float32)
        spread = np.array(self.family.spread, np.float32)
        fed = ((rgb - mean) / spread).astype(np.float32).transpose(2, 0, 1)[None]
        made = self._session.run(self._outputs, {self._input: np.ascontiguousarray(fed)})
        if self.family.channels == 3:
            return [(tensor[0].transpose(1, 2, 0) * spread + mean) for tensor in made]
        maps = [tensor[0, 0].astype(np.float32) for tensor in made]
        return [_logistic(values) for values in maps] if self.family.logits else maps

    def prove(self) -> None:
        """Run it once.

        Raises ValueError where it does not run, or what comes out has another shape than the
        family's.
        """
        side = self.family.side or SAMPLE_SIDE
        made = side * self.family.scale
        wanted = (made, made) if self.family.channels == 1 else (made, made, 3)
        try:
            made_of_black = self.run(np.zeros((side, side, 3), np.float32))
        except Exception as error:  # noqa: BLE001 - onnxruntime has one for each of its states
            raise ValueError(f"it does not run: {str(error).splitlines()[0]}") from None
        for drawn in made_of_black:
            if drawn.shape != wanted:
                shown = " x ".join(map(str, drawn.shape))
                raise ValueError(f"it makes {shown} of {side} x {side} pixels")


def _checked(
    what: str, tensors: Sequence[onnxruntime.NodeArg], at: int, channels: int, side: int | None
) -> str:
    """The name of the tensor at a position; ValueError where its shape is another one.

    A size that the file leaves open may be any.
    """
    if at >= len(tensors):
        raise ValueError(f"{what} is not there, there are {len(tensors)}")
    tensor = tensors[at]
    wanted = (1, channels, side, side)
    fits = len(tensor.shape) == len(wanted) and all(
        not isinstance(size, int) or size == (one or size)
        for size, one in zip(tensor.shape, wanted, strict=True)
    )
    # Where any size is taken, a fixed one would not do.
    fits = fits and (side is not None or not any(isinstance(n, int) for n in tensor.shape[2:]))
    if not fits or tensor.type != FLOAT:
        shown = " x ".join(str(size or "any") for size in wanted)
        is_ = " x ".join(map(str, tensor.shape))
        raise ValueError(f"{what} is {is_} of {tensor.type}, not {shown} of {FLOAT}")
    return str(tensor.name)


def _logistic(values: Float) -> Float:
    return (1 / (1 + np.exp(-np.clip(values, -50, 50)))).astype(np.float32)
