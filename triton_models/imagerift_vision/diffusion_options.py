"""How a pool's diffusion weights are held: bits, places, kernels, and what is laid over them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

Quantization = Literal["none", "nf4", "int8", "fp8"]
# Made by the package of that name.
BITSANDBYTES: tuple[Quantization, ...] = ("nf4", "int8")
Offload = Literal["none", "model", "group"]
Precision = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True)
class Lora:
    """Weights laid over those of the pipeline."""

    weights: Path
    """A safetensors file."""
    scale: float = 1.0

    @classmethod
    def read(cls, document: Any) -> "Lora":
        """Read `{weights, scale}`. Raises ValueError when it is something else."""
        if not isinstance(document, Mapping) or not {"weights"} <= set(document) <= {
            "weights",
            "scale",
        }:
            raise ValueError("diffusion: a LoRA is {weights, scale}")
        path = Path(document["weights"])
        if path.suffix != ".safetensors":
            raise ValueError(f"diffusion: {path} is no safetensors file")
        return cls(path, float(document.get("scale", 1.0)))


@dataclass(frozen=True)
class Options:
    """How the weights are held; the same for all presets."""

    precision: Precision | None = None
    """None: the family's on a GPU, float32 on the CPU."""
    quantization: Quantization = "none"
    """nf4 and int8 are bitsandbytes'; fp8 holds the denoiser so and computes in its precision."""
    offload: Offload = "none"
    """What waits in the machine's memory: whole parts (`model`), or layers (`group`)."""
    vae_tiling: bool = False
    """Decode in tiles: less memory from 2048 pixels on, and faint seams."""
    vae_slicing: bool = False
    """Decode a batch's pictures one after the other."""
    compile: bool = False
    """Compile the denoiser's repeated blocks; the first picture takes minutes."""
    attention: str | None = None
    """The name that diffusers has for an attention kernel; None: PyTorch's own."""
    vram_gib: float | None = None
    """What must be free on the GPU before anything is loaded; None: nobody looks."""

    def __post_init__(self) -> None:
        """Raises ValueError for what is not known."""
        for value, known in (
            (self.precision or "float32", Precision),
            (self.quantization, Quantization),
            (self.offload, Offload),
        ):
            if value not in get_args(known):
                raise ValueError(f"diffusion: {value} is none of {', '.join(get_args(known))}")
        if self.quantization == "fp8" and self.offload == "group":
            raise ValueError("diffusion: fp8 and offload by groups do not go together")

    @classmethod
    def taken_from(cls, document: dict[str, Any]) -> "Options":
        """Take the options out of a pool's settings. Raises ValueError when one is wrong."""
        names = {_camel(one.name): one.name for one in fields(cls)}
        return cls(**{names[name]: document.pop(name) for name in names.keys() & document.keys()})


def _camel(name: str) -> str:
    first, *more = name.replace("vram_gib", "vram_giB").split("_")
    return first + "".join(word[0].upper() + word[1:] for word in more)
