"""Reading Dockerfiles: as much of their language as the project's own use."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from string import Template

from imagerift_local.errors import PlatformError

CONTINUED = re.compile(r"\\\n")
COMMENT = re.compile(r"^\s*#.*\n", re.MULTILINE)


@dataclass(frozen=True)
class Instruction:
    """`RUN`, `COPY` or another word; its options, such as `--from=build`; and what follows."""

    word: str
    options: dict[str, str]
    text: str


@dataclass(frozen=True)
class Stage:
    """What a stage is made from, another stage or an image, and its instructions."""

    base: str
    instructions: list[Instruction] = field(default_factory=list)

    @property
    def is_image(self) -> bool:
        """Whether the stage says how it is run; the others are there for these."""
        return any(each.word == "ENTRYPOINT" for each in self.instructions)


def parse(text: str) -> dict[str, Stage]:
    """The stages by name, in their order; `ARG` before them gives what `FROM` may name.

    Raises:
        PlatformError: a stage has no name, or an instruction stands before the first.
    """
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    name = ""
    for line in CONTINUED.sub(" ", COMMENT.sub("", text)).splitlines():
        if not line.strip():
            continue
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages[name] = Stage(Template(base).substitute(arguments))
        elif word == "ARG" and not stages:
            argument, value = rest.split("=", 1)
            arguments[argument] = value
        elif not name:
            raise PlatformError(f"outside of a named stage: {line}")
        else:
            stages[name].instructions.append(_instruction(word, rest))
    return stages


def _instruction(word: str, rest: str) -> Instruction:
    options = {}
    while rest.startswith("--"):
        option, rest = rest.split(maxsplit=1)
        key, _, value = option.removeprefix("--").partition("=")
        options[key] = value
    return Instruction(word, options, rest.strip())
