"""Prompts and the looks that a person would expect of them, read by the code that serves jobs."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagerift_vision.presets import PRESETS
from imagerift_vision.prompts import PromptReader

from bench.vision.tables import Table, percent

PROMPTS = Path(__file__).with_name("prompts.toml")


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

    @property
    def right(self) -> bool:
        """Whether the preset is one of them."""
        return self.preset in self.expected


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
        preset = reader.read(prompt["text"]).preset
        done.append(
            Read(
                prompt["text"],
                prompt["language"],
                prompt["kind"],
                prompt.get("apart", False),
                expected,
                preset,
            )
        )
    return done


def table(results: Sequence[Read]) -> Table:
    """A row for each kind, each language, and for all."""
    made = Table("Prompts", ("prompts", "tuning", "as expected", "apart", "as expected"))
    groups = {
        f"{by}: {value}": [result for result in results if getattr(result, by) == value]
        for by in ("kind", "language")
        for value in dict.fromkeys(getattr(result, by) for result in results)
    }
    groups["all"] = list(results)
    for name, members in groups.items():
        cells = [name]
        for apart in (False, True):
            part = [result for result in members if result.apart == apart]
            cells += [str(len(part)), percent(sum(result.right for result in part), len(part))]
        made.add(*cells)
    return made


def misses(results: Sequence[Read]) -> Table:
    """The prompts of the tuning part that give something else; the others stay unseen."""
    made = Table("Prompts that give something else (tuning part)", ("prompt", "expected", "given"))
    for result in results:
        if not result.right and not result.apart:
            made.add(result.text, " or ".join(result.expected), result.preset)
    return made
