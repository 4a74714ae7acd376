"""Prompts, and the look and set that a person would expect, read by the code that serves jobs."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagerift_vision.colours import Colour, colour_of, css_colours, difference
from imagerift_vision.presets import PRESETS
from imagerift_vision.prompt_read import PromptRead
from imagerift_vision.prompts import PromptReader

from bench.vision.tables import Table, percent

PROMPTS = Path(__file__).with_name("prompts.toml")
SET_MEMBERS = ("wall", "floor", "surface", "light", "time", "space", "angle")
# Delta E (CIE76): names of one colour differ from chart to chart.
LARGEST_DIFFERENCE = 12
# The least share of prompts whose look and set are as expected: of the tuning part, and apart.
LEAST_RIGHT = {False: 0.9, True: 0.8}


@dataclass(frozen=True)
class Read:
    """One prompt."""

    text: str
    language: str
    kind: str
    apart: bool
    """Whether nothing may be tuned on it."""
    expected: tuple[str, ...]
    """The presets that a person would accept."""
    preset: str
    asks_for_a_set: bool
    """Whether it asks for something of the set, or must not."""
    wrong: tuple[str, ...]
    """The members of the set that were not read as expected."""

    @property
    def right(self) -> bool:
        """Whether the preset is one of those expected."""
        return self.preset in self.expected

    @property
    def all_right(self) -> bool:
        """Whether the preset is, and the set is too."""
        return self.right and not self.wrong


def read(threads: int, path: Path = PROMPTS) -> list[Read]:
    """Every prompt of the list.

    Raises:
        ValueError: the list expects a preset that there is not.
    """
    reader = PromptReader(threads, PRESETS)
    done = []
    for prompt in tomllib.loads(path.read_text("utf-8"))["prompt"]:
        expected = tuple(prompt["expect"])
        if not expected or not set(expected) <= set(PRESETS):
            raise ValueError(f"unknown presets are expected of {prompt['text']!r}: {expected}")
        wanted = {name: prompt[name] for name in SET_MEMBERS if name in prompt}
        found = reader.read(prompt["text"])
        done.append(
            Read(
                text=prompt["text"],
                language=prompt["language"],
                kind=prompt["kind"],
                apart=prompt.get("apart", False),
                expected=expected,
                preset=found.preset,
                asks_for_a_set=bool(wanted),
                wrong=wrong_members(found, wanted),
            )
        )
    return done


def table(results: Sequence[Read]) -> Table:
    """A row for each kind, each language, and for all: the look, the set and both as expected.

    A set counts where the prompt asks for something of it. Of what is kept apart the sum alone is
    shown.
    """
    of_a_part = ("look", "set", "both")
    made = Table("Prompts", ("prompts", "tuning", *of_a_part, "apart", *of_a_part))
    groups = {
        f"{by}: {value}": [result for result in results if getattr(result, by) == value]
        for by in ("kind", "language")
        for value in dict.fromkeys(getattr(result, by) for result in results)
    }
    groups["all"] = list(results)
    for name, members in groups.items():
        cells = [name]
        for apart in (False, True):
            if apart and name != "all":
                cells += ["–"] * (1 + len(of_a_part))
                continue
            part = [result for result in members if result.apart == apart]
            sets = [result for result in part if result.asks_for_a_set]
            cells += [
                str(len(part)),
                percent(sum(result.right for result in part), len(part)),
                percent(sum(not result.wrong for result in sets), len(sets)),
                percent(sum(result.all_right for result in part), len(part)),
            ]
        made.add(*cells)
    return made


def misses(results: Sequence[Read]) -> Table:
    """The prompts of the tuning part that give something else; the others stay unseen."""
    head = ("prompt", "expected", "given", "of the set")
    made = Table("Prompts that give something else (tuning part)", head)
    for result in results:
        if not result.all_right and not result.apart:
            wrong = ", ".join(result.wrong)
            made.add(result.text, " or ".join(result.expected), result.preset, wrong)
    return made


def are_well_read(results: Sequence[Read]) -> bool:
    """Whether of both parts at least the wanted share is read as expected."""
    parts = {
        apart: [result.all_right for result in results if result.apart == apart]
        for apart in LEAST_RIGHT
    }
    return all(sum(part) >= LEAST_RIGHT[apart] * len(part) for apart, part in parts.items())


def wrong_members(read: PromptRead, wanted: Mapping[str, str]) -> tuple[str, ...]:
    """The members of the set that were not read as wanted."""
    scene = read.scene
    light = scene.light
    surfaces = {scene.floor.surface, scene.wall.surface} - {None}
    words: dict[str, set[str | None]] = {
        "surface": surfaces or {"none"},
        "light": {light.warmth, light.hardness, _named(light.colour)},
        "time": {scene.time},
        "space": {scene.space},
        "angle": {scene.angle},
    }
    planes = {"wall": scene.wall.colour, "floor": scene.floor.colour}
    return tuple(
        name
        for name, value in wanted.items()
        if (name in planes and not _is_near(planes[name], value))
        or (name in words and value not in words[name])
    )


def _is_near(colour: Colour | None, wanted: str) -> bool:
    if colour is None or wanted == "none":
        return colour is None and wanted == "none"
    return difference(colour, _colour(wanted)) <= LARGEST_DIFFERENCE


def _named(colour: Colour | None) -> str | None:
    names = [name for name in css_colours() if colour == _colour(name)]
    return names[0] if names else None


def _colour(name: str) -> Colour:
    """The colour of a CSS name as one writes it, or of a hex."""
    by_name = {listed.replace("-", ""): listed for listed in css_colours()}
    return colour_of(by_name.get(name, name))
