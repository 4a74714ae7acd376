"""The presets of `style`, as data: palettes, light, props, grade and brush."""

from dataclasses import dataclass, field
from typing import Literal

from imagerift_vision.colours import Colour
from imagerift_vision.scene_spec import Angle, Plane, Space

Gobo = Literal["none", "window", "blinds", "foliage", "beam", "spot"]
Prop = Literal["none", "disc", "bokeh", "ring", "tubes"]
Brush = Literal["none", "watercolor", "oil", "sketch"]


@dataclass(frozen=True)
class Palette:
    """The colours of one look of a preset."""

    wall: Colour
    floor: Colour
    accent: Colour = (1.0, 1.0, 1.0)
    """Colour of props: disc, lights out of focus, neon."""
    second: Colour = (1.0, 1.0, 1.0)
    """Colour of the second light, where there is one."""


@dataclass(frozen=True)
class Grade:
    """The film look."""

    saturation: float = 1.0
    contrast: float = 1.0
    """1 leaves the tones; above, an S curve."""
    lift: float = 0.0
    """How much blacks fade, 0 to 1."""
    shadows: Colour = (0.0, 0.0, 0.0)
    """Added in the dark tones."""
    highlights: Colour = (0.0, 0.0, 0.0)
    """Added in the bright tones."""
    bloom: float = 0.15
    vignette: float = 0.2
    grain: float = 0.006
    """Standard deviation of the grain, of a range of 1."""


@dataclass(frozen=True)
class Composition:
    """The subject's size and place in the frame, as far as there is room."""

    closer: float = 1.0
    """Times the size that the preset shows a subject at."""
    aside: float = 0.0
    """How far right of its usual place it stands, in widths of the canvas."""
    lower: float = 0.0
    """How far below its usual place, in heights of the canvas."""
    horizon: float = 0.5
    """Where the floor ends: 0 as high as the set allows, 1 as low."""


CENTRED = Composition()


@dataclass(frozen=True)
class Preset:
    """One style."""

    name: str
    meaning: str
    """What a prompt that asks for it sounds like; embedded once."""
    palettes: tuple[Palette, ...]
    """Consecutive seeds go through them in turn, so that variations differ for certain."""
    gobos: tuple[Gobo, ...] = ("none",)
    prop: Prop = "none"
    ambient: float = 0.66
    """Light of the backdrop away from the pool of light."""
    pool: float = 0.5
    """Extra light in the pool."""
    pattern: float = 0.0
    """How strongly the gobo cuts the light."""
    shadow: float = 0.55
    shadow_colour: Colour = (0.0, 0.0, 0.0)
    softness: float = 1.0
    """Size of the lamp: 1 a large soft box, 0.4 near sunlight."""
    reflection: float = 0.14
    rim: float = 0.25
    spill: float = 0.10
    """How much of the set's colour falls on the subject."""
    subject_light: float = 1.0
    fill: float = 0.62
    texture: float = 0.008
    grade: Grade = field(default_factory=Grade)
    brush: Brush = "none"
    wall: Plane = field(default_factory=Plane)
    """What a prompt asks of it: its colour is met however the light falls."""
    floor: Plane = field(default_factory=Plane)
    light: Colour = (1.0, 1.0, 1.0)
    """The light's colour, as a factor."""
    space: Space | None = None
    """Where room is left for text."""
    angle: Angle | None = None
    composition: Composition = CENTRED


WATERCOLOUR_PAPER = (0.965, 0.955, 0.93)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "studio",
            "clean white studio background, softbox light, ecommerce catalog packshot",
            (
                Palette((0.95, 0.952, 0.958), (0.90, 0.902, 0.91)),
                Palette((0.90, 0.908, 0.92), (0.85, 0.857, 0.87)),
                Palette((0.94, 0.925, 0.905), (0.88, 0.86, 0.835)),
                Palette((0.865, 0.875, 0.885), (0.91, 0.914, 0.918)),
                Palette((0.90, 0.92, 0.935), (0.84, 0.86, 0.88)),
            ),
            gobos=("none", "beam", "foliage", "window", "spot", "blinds"),
            ambient=0.985,
            pool=0.16,
            pattern=0.22,
            shadow=0.50,
            shadow_colour=(0.16, 0.16, 0.19),
            rim=0.06,
            texture=0.010,
            grade=Grade(saturation=1.05, contrast=1.12, bloom=0.08, vignette=0.12, grain=0.0075),
        ),
        Preset(
            "cinematic",
            "cinematic film look, teal and orange, dramatic moody light, movie still",
            (
                Palette((0.18, 0.32, 0.36), (0.14, 0.22, 0.26), (1.0, 0.62, 0.30)),
                Palette((0.15, 0.23, 0.34), (0.12, 0.17, 0.25), (1.0, 0.70, 0.42)),
                Palette((0.26, 0.27, 0.26), (0.21, 0.20, 0.19), (1.0, 0.55, 0.26)),
                Palette((0.12, 0.29, 0.30), (0.14, 0.20, 0.20), (1.0, 0.66, 0.36)),
            ),
            gobos=("beam", "window", "spot", "blinds", "foliage"),
            ambient=0.80,
            pool=1.5,
            pattern=0.75,
            shadow=0.72,
            reflection=0.20,
            rim=0.55,
            spill=0.14,
            subject_light=0.98,
            texture=0.016,
            grade=Grade(
                1.08, 1.38, 0.02, (-0.025, 0.012, 0.045), (0.06, 0.02, -0.05), 0.35, 0.55, 0.014
            ),
        ),
        Preset(
            "golden_hour",
            "warm golden hour sunlight, sunset, sunny evening beach, late afternoon sun",
            (
                Palette((0.93, 0.74, 0.53), (0.83, 0.61, 0.42), (1.0, 0.85, 0.55)),
                Palette((0.90, 0.66, 0.50), (0.78, 0.53, 0.40), (1.0, 0.80, 0.50)),
                Palette((0.88, 0.78, 0.62), (0.76, 0.63, 0.47), (1.0, 0.88, 0.62)),
            ),
            gobos=("window", "foliage", "beam", "blinds"),
            ambient=0.86,
            pool=0.55,
            pattern=0.62,
            shadow=0.62,
            shadow_colour=(0.20, 0.09, 0.05),
            softness=0.55,
            reflection=0.06,
            rim=0.35,
            spill=0.16,
            texture=0.014,
            grade=Grade(
                1.10, 1.20, 0.02, (0.035, 0.0, 0.02), (0.06, 0.03, -0.05), 0.34, 0.30, 0.009
            ),
        ),
        Preset(
            "luxury_dark",
            "luxury dark background, gold accents, premium perfume watch advert, expensive",
            (
                Palette((0.15, 0.138, 0.144), (0.098, 0.090, 0.096), (1.0, 0.76, 0.38)),
                Palette((0.20, 0.138, 0.094), (0.118, 0.088, 0.068), (1.0, 0.70, 0.36)),
                Palette((0.102, 0.15, 0.142), (0.066, 0.092, 0.090), (0.98, 0.80, 0.48)),
                Palette((0.15, 0.10, 0.15), (0.088, 0.068, 0.094), (1.0, 0.74, 0.46)),
            ),
            gobos=("spot", "window", "beam", "none", "foliage"),
            prop="bokeh",
            ambient=0.75,
            pool=2.6,
            pattern=0.6,
            shadow=0.75,
            reflection=0.34,
            rim=0.6,
            spill=0.08,
            texture=0.010,
            grade=Grade(
                1.0, 1.36, 0.0, (0.008, 0.004, 0.0), (0.05, 0.03, -0.025), 0.28, 0.45, 0.009
            ),
        ),
        Preset(
            "pastel",
            "soft pastel colours, dreamy airy minimal, candy, cute, spring",
            (
                Palette((0.80, 0.87, 0.93), (0.94, 0.86, 0.88), (0.98, 0.90, 0.80)),
                Palette((0.96, 0.84, 0.82), (0.98, 0.91, 0.84), (0.99, 0.95, 0.90)),
                Palette((0.83, 0.90, 0.83), (0.95, 0.92, 0.84), (0.98, 0.86, 0.80)),
                Palette((0.87, 0.83, 0.93), (0.93, 0.88, 0.95), (0.99, 0.93, 0.83)),
                Palette((0.98, 0.91, 0.76), (0.97, 0.87, 0.80), (0.86, 0.93, 0.95)),
            ),
            gobos=("none", "window", "foliage", "beam"),
            prop="disc",
            ambient=0.88,
            pool=0.18,
            pattern=0.20,
            shadow=0.36,
            shadow_colour=(0.30, 0.22, 0.34),
            softness=0.75,
            reflection=0.05,
            rim=0.06,
            grade=Grade(
                0.97, 1.0, 0.05, (0.03, 0.012, 0.045), (0.0, 0.0, 0.008), 0.12, 0.08, 0.006
            ),
        ),
        Preset(
            "neon",
            "neon cyberpunk night, magenta and cyan glow, glowing signs, synthwave, nightclub",
            (
                Palette(
                    (0.10, 0.05, 0.17), (0.06, 0.035, 0.10), (1.0, 0.16, 0.62), (0.10, 0.78, 1.0)
                ),
                Palette(
                    (0.04, 0.09, 0.17), (0.03, 0.05, 0.10), (0.12, 0.85, 1.0), (0.78, 0.22, 1.0)
                ),
                Palette(
                    (0.14, 0.04, 0.11), (0.07, 0.03, 0.07), (1.0, 0.30, 0.25), (0.35, 0.40, 1.0)
                ),
                Palette(
                    (0.04, 0.12, 0.12), (0.03, 0.06, 0.07), (0.20, 1.0, 0.65), (0.95, 0.25, 0.85)
                ),
            ),
            gobos=("none",),
            prop="tubes",
            ambient=0.62,
            pool=0.5,
            shadow=0.70,
            reflection=0.42,
            rim=1.25,
            spill=0.20,
            subject_light=0.90,
            texture=0.012,
            grade=Grade(1.18, 1.25, 0.0, (0.015, 0.0, 0.04), (0.02, 0.0, 0.03), 0.55, 0.35, 0.010),
        ),
        Preset(
            "noir",
            "black and white film noir, high contrast monochrome, detective, hard shadows",
            (
                Palette((0.50, 0.50, 0.50), (0.34, 0.34, 0.34)),
                Palette((0.38, 0.38, 0.38), (0.27, 0.27, 0.27)),
                Palette((0.64, 0.64, 0.64), (0.46, 0.46, 0.46)),
            ),
            gobos=("blinds", "window", "spot", "beam"),
            ambient=0.55,
            pool=1.15,
            pattern=0.80,
            shadow=0.78,
            softness=0.5,
            reflection=0.12,
            rim=0.45,
            spill=0.0,
            texture=0.016,
            grade=Grade(0.0, 1.5, 0.015, (0.0, 0.0, 0.0), (0.012, 0.008, 0.0), 0.28, 0.6, 0.022),
        ),
        Preset(
            "vintage",
            "vintage retro faded 1970s film photograph, old polaroid, nostalgic childhood memory",
            (
                Palette((0.78, 0.66, 0.50), (0.66, 0.52, 0.38), (1.0, 0.55, 0.25)),
                Palette((0.62, 0.66, 0.56), (0.60, 0.54, 0.42), (1.0, 0.60, 0.30)),
                Palette((0.76, 0.58, 0.48), (0.62, 0.46, 0.37), (1.0, 0.62, 0.28)),
                Palette((0.58, 0.66, 0.68), (0.66, 0.58, 0.47), (1.0, 0.50, 0.28)),
            ),
            gobos=("none", "window", "blinds", "foliage"),
            ambient=0.84,
            pool=0.42,
            pattern=0.45,
            shadow=0.50,
            shadow_colour=(0.14, 0.08, 0.06),
            reflection=0.0,
            rim=0.10,
            spill=0.18,
            texture=0.020,
            grade=Grade(
                0.80, 1.02, 0.13, (0.045, 0.012, 0.025), (0.04, 0.025, -0.07), 0.20, 0.42, 0.022
            ),
        ),
        Preset(
            "nature",
            "natural outdoor light, green leaves, organic, forest, garden, botanical",
            (
                Palette((0.46, 0.58, 0.36), (0.62, 0.62, 0.48), (0.86, 0.95, 0.62)),
                Palette((0.32, 0.47, 0.36), (0.50, 0.50, 0.40), (0.80, 0.92, 0.70)),
                Palette((0.62, 0.66, 0.42), (0.68, 0.62, 0.46), (0.98, 0.94, 0.66)),
            ),
            gobos=("foliage",),
            prop="bokeh",
            ambient=0.62,
            pool=0.55,
            pattern=0.62,
            shadow=0.52,
            shadow_colour=(0.08, 0.10, 0.05),
            softness=0.7,
            reflection=0.0,
            rim=0.18,
            spill=0.12,
            texture=0.016,
            grade=Grade(
                1.06, 1.14, 0.015, (0.0, 0.012, 0.0), (0.03, 0.025, -0.025), 0.26, 0.26, 0.008
            ),
        ),
        Preset(
            "watercolor",
            "watercolor painting, soft washes of paint on paper, children's book illustration",
            (
                Palette((0.80, 0.89, 0.93), (0.93, 0.90, 0.84)),
                Palette((0.95, 0.86, 0.80), (0.96, 0.92, 0.84)),
                Palette((0.84, 0.91, 0.82), (0.95, 0.93, 0.86)),
                Palette((0.88, 0.85, 0.94), (0.95, 0.91, 0.90)),
            ),
            gobos=("none", "spot"),
            ambient=0.90,
            pool=0.16,
            pattern=0.30,
            shadow=0.38,
            shadow_colour=(0.30, 0.30, 0.46),
            reflection=0.04,
            rim=0.0,
            grade=Grade(1.08, 1.0, 0.0, bloom=0.05, vignette=0.0, grain=0.0),
            brush="watercolor",
        ),
        Preset(
            "oil",
            "oil painting on canvas, impressionist brush strokes, Van Gogh, Monet, old master",
            (
                Palette((0.30, 0.36, 0.44), (0.42, 0.32, 0.22)),
                Palette((0.52, 0.42, 0.26), (0.40, 0.28, 0.18)),
                Palette((0.26, 0.36, 0.30), (0.38, 0.32, 0.22)),
                Palette((0.50, 0.30, 0.24), (0.36, 0.24, 0.18)),
            ),
            gobos=("spot", "none", "beam"),
            ambient=0.62,
            pool=0.72,
            pattern=0.5,
            shadow=0.62,
            shadow_colour=(0.08, 0.05, 0.08),
            reflection=0.06,
            rim=0.12,
            texture=0.05,
            grade=Grade(1.22, 1.16, 0.0, (0.01, 0.0, 0.03), (0.03, 0.02, -0.02), 0.05, 0.22, 0.0),
            brush="oil",
        ),
        Preset(
            "sketch",
            "pencil sketch, graphite line drawing, charcoal, hand drawn, hatching",
            (
                Palette((0.93, 0.93, 0.93), (0.74, 0.74, 0.74)),
                Palette((0.74, 0.74, 0.74), (0.88, 0.88, 0.88)),
                Palette((0.84, 0.84, 0.84), (0.64, 0.64, 0.64)),
            ),
            gobos=("none", "window", "beam", "foliage", "blinds"),
            ambient=0.78,
            pool=0.34,
            pattern=0.60,
            shadow=0.58,
            reflection=0.0,
            rim=0.0,
            grade=Grade(0.0, 1.1, 0.0, bloom=0.0, vignette=0.0, grain=0.0),
            brush="sketch",
        ),
    )
}
