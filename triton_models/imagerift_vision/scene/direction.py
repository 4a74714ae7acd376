"""A preset as a prompt wants it: the wishes of a `SceneSpec` laid over its data."""

from dataclasses import replace
from typing import get_args

import numpy as np
from imagerift_contract.values import ReadPart

from imagerift_vision.analysis import Applied
from imagerift_vision.colours import Colour, colour_of, is_grey
from imagerift_vision.presets import Grade, Preset
from imagerift_vision.scene.finish import graded
from imagerift_vision.scene.placement import Subject
from imagerift_vision.scene_spec import LightSpec, Plane, SceneSpec, Surface, Time, Warmth

WARMTH: dict[Warmth, Colour] = {"warm": (1.09, 1.0, 0.84), "cool": (0.90, 0.99, 1.12)}
# The light's colour; factors of the light around, of the pool and of the light on the subject.
TIMES: dict[Time, tuple[Colour, float, float, float]] = {
    "morning": ((1.05, 1.0, 0.90), 0.96, 1.5, 1.0),
    "noon": ((1.01, 1.0, 0.98), 1.02, 1.3, 1.04),
    "evening": ((1.16, 0.97, 0.74), 0.88, 1.7, 1.0),
    "blue_hour": ((0.74, 0.88, 1.20), 0.66, 1.2, 0.90),
    "night": ((0.62, 0.76, 1.16), 0.34, 1.5, 0.84),
}
# Seen on no whole picture, and on no subject that the frame cuts.
OF_THE_SET: frozenset[ReadPart] = frozenset(
    {"background", "wall", "floor", "copySpace", "angle", "shadow", "reflection", "accent"}
)
OF_THE_FLOOR: frozenset[ReadPart] = frozenset({"floor", "angle", "reflection"})
# How much of the preset's reflection a material shows; those left out show none.
GLOSS: dict[Surface, float] = {
    "marble": 1.2, "water": 1.5, "wood": 0.5, "stone": 0.6, "slate": 0.6, "concrete": 0.3,
}  # fmt: skip
OUTDOORS = ("sand", "snow", "water", "grass")
WHITE = 0.93
MONOCHROME = ("noir", "sketch")
# An asked colour reaches the picture through the grade: so many steps find where to begin.
STEPS = 24


def direct(preset: Preset, scene: SceneSpec, subject: Subject | None) -> Preset:
    """The preset with all that the prompt asks of the set; a whole picture has light alone."""
    if subject is None:
        scene = replace(scene, wall=Plane(), floor=Plane(), accent=None, space=None, angle=None)
    if scene == SceneSpec():
        return preset
    made = preset
    if scene.cinematic:
        made = _filmed(made)
    if scene.time is not None:
        made = _timed(made, scene.time)
    made = _lit(made, scene.light)
    if not scene.shadow:
        made = replace(made, shadow=0.0)
    if not scene.reflection:
        made = replace(made, reflection=0.0)
    if scene.light.pattern is None and scene.light.hardness != "soft":
        made = _fitting(made, scene)
    made = replace(made, space=scene.space, angle=scene.angle)
    return _painted(made, scene)


def _fitting(preset: Preset, scene: SceneSpec) -> Preset:
    """No window's light where there is no house, and next to none on a wall that is to be white."""
    made = preset
    if scene.floor.surface in OUTDOORS:
        made = replace(
            made, gobos=("none",) if scene.floor.surface == "water" else ("none", "foliage")
        )
    if scene.wall.colour is not None and min(scene.wall.colour) > WHITE and not scene.cinematic:
        made = replace(made, pattern=0.3 * made.pattern, texture=0.5 * made.texture)
    return made


def can_show(applied: Applied, preset: Preset, subject: Subject | None) -> bool:
    """Whether a picture of this preset and subject shows what a prompt's words ask for.

    A whole picture (no subject) has no set, black and white no colours.
    """
    if subject is None and applied.part in OF_THE_SET:
        return False
    if subject is not None and subject.grounding == "anchored":
        sides = subject.touches & {"left", "right"}
        if applied.part in OF_THE_FLOOR or (applied.part == "copySpace" and sides):
            return False
        if applied.part == "copySpace" and applied.value == "top":
            return False
    if applied.part == "accent" and preset.prop == "none":
        return False
    if preset.name in MONOCHROME and applied.part != "look":
        coloured = applied.value.startswith("#") and not is_grey(colour_of(applied.value))
        return not coloured and applied.value not in get_args(Warmth)
    return True


def _filmed(preset: Preset) -> Preset:
    grade = replace(
        preset.grade,
        contrast=1.26,
        saturation=1.06,
        shadows=(-0.012, 0.008, 0.030),
        highlights=(0.026, 0.008, -0.030),
        vignette=0.34,
        bloom=0.18,
        grain=0.010,
    )
    return replace(
        preset,
        gobos=("beam", "window", "spot", "blinds"),
        ambient=0.90,
        pool=0.34,
        pattern=0.42,
        rim=0.22,
        shadow=0.62,
        grade=grade,
    )


def _timed(preset: Preset, time: Time) -> Preset:
    colour, around, pool, subject = TIMES[time]
    made = replace(
        preset,
        light=_times(preset.light, colour),
        ambient=preset.ambient * around,
        pool=preset.pool * pool,
        subject_light=preset.subject_light * subject,
    )
    if time == "noon":
        return replace(made, softness=0.4)
    if time in ("morning", "evening"):
        patterned = [gobo for gobo in preset.gobos if gobo not in ("none", "spot")]
        gobos = tuple(patterned) or ("window",)
        return replace(made, softness=0.55, gobos=gobos, pattern=max(0.42, preset.pattern))
    grade = replace(preset.grade, vignette=max(0.45, preset.grade.vignette))
    return replace(made, grade=grade, rim=max(0.4, preset.rim))


def _lit(preset: Preset, light: LightSpec) -> Preset:
    made = preset
    if light.warmth is not None:
        made = replace(made, light=_times(made.light, WARMTH[light.warmth]))
    if light.hardness == "hard":
        made = replace(made, softness=0.35, shadow=min(0.9, 1.25 * made.shadow))
    elif light.hardness == "soft":
        made = replace(made, softness=1.4, shadow=0.72 * made.shadow, gobos=("none",), pattern=0.0)
    if light.pattern is not None:
        made = replace(made, gobos=(light.pattern,), pattern=max(0.62, made.pattern))
        made = replace(made, pool=max(0.26, made.pool))
    if light.colour is not None and made.prop == "tubes":
        colour = light.colour
        palettes = tuple(replace(one, accent=colour, second=colour) for one in made.palettes)
        made = replace(made, palettes=palettes)
    elif light.colour is not None:
        brightest = max(0.2, *light.colour)
        red, green, blue = (0.22 + 0.90 * part / brightest for part in light.colour)
        made = replace(
            made,
            light=_times(made.light, (red, green, blue)),
            ambient=0.62 * made.ambient,
            pool=max(0.5, 1.4 * made.pool),
        )
    return made


def _painted(preset: Preset, scene: SceneSpec) -> Preset:
    """Wall, floor and props in the colours that are asked for."""
    wall, floor = scene.wall, scene.floor
    palettes = preset.palettes
    if scene.accent is not None:
        # A tube of a pale colour would burn out to white.
        accent = _glowing(scene.accent) if preset.prop == "tubes" else scene.accent
        palettes = tuple(replace(one, accent=accent) for one in palettes)
    ungraded = {
        colour: _before(colour, preset.grade)
        for colour in (wall.colour, floor.colour)
        if colour is not None
    }
    if wall.colour is not None:
        palettes = tuple(replace(one, wall=ungraded[wall.colour]) for one in palettes)
        wall = replace(wall, colour=ungraded[wall.colour])
    if floor.colour is not None:
        palettes = tuple(replace(one, floor=ungraded[floor.colour]) for one in palettes)
        floor = replace(floor, colour=ungraded[floor.colour])
    if floor.surface is not None:
        gloss = GLOSS.get(floor.surface, 0.0)
        preset = replace(preset, reflection=preset.reflection * gloss)
    grade = preset.grade
    if ungraded:
        # Dark corners would be of another colour.
        grade = replace(grade, vignette=0.5 * grade.vignette)
    return replace(preset, palettes=palettes, wall=wall, floor=floor, grade=grade)


def _glowing(colour: Colour) -> Colour:
    """A pale colour as a lamp of it shines: its weakest part no more than a fifth."""
    low, high = min(colour), max(colour)
    if is_grey(colour) or low < 0.2:
        return colour
    red, green, blue = (0.2 + (part - low) * (high - 0.2) / (high - low) for part in colour)
    return red, green, blue


def _before(wanted: Colour, grade: Grade) -> Colour:
    """The colour that the grade turns into the one wanted, or comes nearest to it."""
    target = np.array(wanted, np.float32)
    colour = target.copy()
    for _ in range(STEPS):
        error = target - graded(colour[None, None], grade)[0, 0]
        colour = np.clip(colour + 0.7 * error, 0, 1.05).astype(np.float32)
    red, green, blue = (float(part) for part in colour)
    return red, green, blue


def _times(one: Colour, other: Colour) -> Colour:
    return one[0] * other[0], one[1] * other[1], one[2] * other[2]
