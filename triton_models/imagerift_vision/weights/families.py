"""The slots that a network of one's own can fill, and the families of networks that fit them."""

from collections.abc import Mapping
from dataclasses import dataclass

Triple = tuple[float, float, float]

NONE: Triple = (0.0, 0.0, 0.0)
ONE: Triple = (1.0, 1.0, 1.0)
HALF: Triple = (0.5, 0.5, 0.5)
# Of ImageNet's photographs, by which most networks are trained.
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_SPREAD: Triple = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Family:
    """Networks that are fed and read alike: one picture in, [1, 3, side, side] of float32.

    What goes in is (colour - mean) / spread, colours being sRGB from 0 to 1. A picture that comes
    out is read by the same two, backwards.
    """

    side: int | None
    """Pixels a side of what goes in; None takes any size."""
    mean: Triple
    spread: Triple
    channels: int
    """Of what comes out: 1 is a map, 3 a picture."""
    scale: int = 1
    """Pixels a side that come out for each that goes in."""
    output: int = 0
    """Position of the tensor that is read."""
    coarse: int | None = None
    """Position of the map that was made at an eighth of the resolution, where there is one."""
    logits: bool = False
    """Whether a map still has to go through the logistic function."""
    by_maximum: bool = False
    """Whether 1 is the picture's own brightest value, and not 255."""


FAMILIES: Mapping[str, Family] = {
    # Qin et al. 2020. Its maps go from the fused and finest to the coarsest.
    "u2net": Family(320, IMAGENET_MEAN, IMAGENET_SPREAD, 1, coarse=4, by_maximum=True),
    # IS-Net, Qin et al. 2022.
    "isnet": Family(1024, HALF, ONE, 1),
    # Zheng et al. 2024.
    "birefnet": Family(1024, IMAGENET_MEAN, IMAGENET_SPREAD, 1, logits=True),
    # Real-ESRGAN, Wang et al. 2021.
    "realesrgan": Family(None, NONE, ONE, 3, scale=4),
    # AnimeGANv2, Chen et al. 2020.
    "animegan": Family(512, HALF, HALF, 3),
    # Wang et al. 2021, and what takes faces as it does: aligned as in FFHQ.
    "gfpgan": Family(512, HALF, HALF, 3),
}


@dataclass(frozen=True)
class Slot:
    """A place for one network."""

    families: tuple[str, ...]
    packaged: str | None
    """The network that a package brings; None where the slot is empty without another one."""


SLOTS: Mapping[str, Slot] = {
    "matting": Slot(("u2net", "isnet", "birefnet"), "u2netp"),
    "upscaling": Slot(("realesrgan",), "realesr-animevideov3-x4"),
    "anime": Slot(("realesrgan", "animegan"), "realesr-animevideov3-x4"),
    "faces": Slot(("gfpgan",), None),
}


def check_place(slot: str, family: str) -> None:
    """Raises ValueError where there is no such slot, or it takes no such family."""
    if slot not in SLOTS:
        raise ValueError(f"there is no slot {slot}: {', '.join(SLOTS)}")
    if family not in SLOTS[slot].families:
        taken = ", ".join(SLOTS[slot].families)
        raise ValueError(f"the slot {slot} takes no {family}: {taken}")
