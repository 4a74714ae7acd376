"""Networks of each family's shape, small enough to be made for a test: ONNX, written by hand.

Each is one layer that mixes colours, so that what it must answer can be reckoned without it. The
format is Protocol Buffers; the field numbers are those of onnx.proto (version 1.16).
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from imagerift_vision.weights.families import FAMILIES
from imagerift_vision.weights.shelf import Network, Shelf, digest_of

VARINT, BYTES, FLOAT32 = 0, 2, 1
# Of a network of U2-Net's: the fused map, and those of its six stages.
U2NET_MAPS = 7


@dataclass(frozen=True)
class Layer:
    """One output: weights [channels, 3], a bias, and what comes behind."""

    weights: np.ndarray
    bias: np.ndarray
    then: str | None = None
    """An operator of one input: Sigmoid, Tanh."""
    blocks: int = 1
    """Channels become so many pixels a side."""

    def expected(self, fed: np.ndarray) -> np.ndarray:
        """What it makes of [h, w, 3] as they are fed: [h, w, channels]."""
        made = fed @ self.weights.T + self.bias
        if self.blocks > 1:
            high, wide, channels = made.shape
            side, colours = self.blocks, channels // self.blocks**2
            parts = made.reshape(high, wide, side, side, colours)
            made = parts.transpose(0, 2, 1, 3, 4).reshape(high * side, wide * side, colours)
        return {None: made, "Sigmoid": 1 / (1 + np.exp(-made)), "Tanh": np.tanh(made)}[self.then]


def layers(family: str, seed: int = 7) -> list[Layer]:
    """The outputs of a network of the family, with random weights."""
    rng = np.random.default_rng(seed)
    kind = FAMILIES[family]
    channels = kind.channels * kind.scale**2
    then = ("Tanh" if kind.side else None) if kind.channels == 3 else "Sigmoid"
    return [
        Layer(
            rng.normal(0, 0.4, (channels, 3)).astype(np.float32),
            rng.normal(0, 0.2, channels).astype(np.float32),
            None if kind.logits else then,
            kind.scale,
        )
        for _ in range(U2NET_MAPS if family == "u2net" else 1)
    ]


def written(path: Path, family: str, outputs: Sequence[Layer] | None = None) -> Path:
    """A network of the family as a file."""
    kind = FAMILIES[family]
    side = kind.side
    size = ("h", "w") if side is None else (side, side)
    made = ("h4", "w4") if side is None else (side * kind.scale, side * kind.scale)
    outputs = outputs or layers(family)
    graph = [_text(2, family), _field(11, _value("picture", (1, 3, *size)))]
    for position, layer in enumerate(outputs):
        graph += [_field(1, node) for node in _nodes(f"o{position}", layer)]
        graph += [_field(5, tensor) for tensor in _tensors(f"o{position}", layer)]
        graph.append(_field(12, _value(f"o{position}", (1, kind.channels, *made))))
    model = _number(1, 9) + _field(7, b"".join(graph)) + _field(8, _number(2, 17))
    path.write_bytes(model)
    return path


def shelf_with(
    folder: Path, slot: str, family: str, outputs: Sequence[Layer] | None = None
) -> Shelf:
    """A shelf whose slot has a network of the family, `tiny-FAMILY`."""
    shelf = Shelf(folder)
    file = written(folder.with_name(f"{family}.onnx"), family, outputs)
    network = Network(f"tiny-{family}", file, slot, family, "MIT", digest_of(file))
    shelf.put(file, network)
    shelf.use(slot, network.name)
    return shelf


def _nodes(name: str, layer: Layer) -> Iterable[bytes]:
    """The operators of an output; the last one writes the tensor of its name."""
    steps = [("Conv", [], [f"{name}.w", f"{name}.b"])]
    if layer.blocks > 1:
        steps.append(("DepthToSpace", [_number_attribute("blocksize", layer.blocks)], []))
    if layer.then:
        steps.append((layer.then, [], []))
    read = "picture"
    for position, (operator, attributes, more) in enumerate(steps):
        write = name if position == len(steps) - 1 else f"{name}.{position}"
        inputs = b"".join(_text(1, tensor) for tensor in (read, *more))
        yield inputs + _text(2, write) + _text(4, operator) + b"".join(attributes)
        read = write


def _tensors(name: str, layer: Layer) -> Iterable[bytes]:
    shaped = layer.weights.reshape(*layer.weights.shape, 1, 1)
    for kind, values in (("w", shaped), ("b", layer.bias)):
        dims = b"".join(_number(1, size) for size in values.shape)
        raw = values.astype("<f4").tobytes()
        yield dims + _number(2, FLOAT32) + _text(8, f"{name}.{kind}") + _field(9, raw)


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(
        _field(1, _text(2, size) if isinstance(size, str) else _number(1, size)) for size in shape
    )
    return _text(1, name) + _field(2, _field(1, _number(1, FLOAT32) + _field(2, dims)))


def _number_attribute(name: str, value: int) -> bytes:
    integer = 2
    return _field(5, _text(1, name) + _number(3, value) + _number(20, integer))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | VARINT) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _field(field, value.encode())


def _field(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + struct.pack("B", value)
