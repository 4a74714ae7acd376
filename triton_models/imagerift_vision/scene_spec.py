"""What a prompt asks of the set, as plain data."""

from dataclasses import dataclass, field
from typing import Literal

from imagerift_vision.colours import Colour

Surface = Literal[
    "wood", "marble", "concrete", "stone", "slate", "linen", "velvet", "sand", "snow", "water",
    "grass", "brick",
]  # fmt: skip
Warmth = Literal["warm", "cool"]
Hardness = Literal["hard", "soft"]
Pattern = Literal["window", "blinds", "foliage", "beam", "spot"]
Time = Literal["morning", "noon", "evening", "blue_hour", "night"]
Space = Literal["left", "right", "top"]
Angle = Literal["above", "front"]


@dataclass(frozen=True)
class Plane:
    """The wall or the floor; what is None is the preset's."""

    colour: Colour | None = None
    surface: Surface | None = None


@dataclass(frozen=True)
class LightSpec:
    """The main light; what is None is the preset's."""

    colour: Colour | None = None
    warmth: Warmth | None = None
    hardness: Hardness | None = None
    pattern: Pattern | None = None


@dataclass(frozen=True)
class SceneSpec:
    """The set, as far as a prompt says how it is to be."""

    wall: Plane = field(default_factory=Plane)
    floor: Plane = field(default_factory=Plane)
    light: LightSpec = field(default_factory=LightSpec)
    accent: Colour | None = None
    """Of neon tubes, discs and lights out of focus."""
    time: Time | None = None
    space: Space | None = None
    """Where room is left for text."""
    angle: Angle | None = None
    shadow: bool = True
    reflection: bool = True
    cinematic: bool = False
    """A bright set that is to have a film's light all the same."""


PLAIN = SceneSpec()
