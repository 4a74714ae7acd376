"""What an answer says of its picture beside the pixels: why this preset, and which people."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from imagerift_contract.values import (
    MAX_FACES,
    MAX_PRESET_NAME,
    MAX_PRESET_WORDS,
    MAX_REFUSED_PRESETS,
    Framing,
    PresetReason,
)

Box = tuple[float, float, float, float]

REASONS: tuple[str, ...] = get_args(PresetReason)
FRAMINGS: tuple[str, ...] = get_args(Framing)


@dataclass(frozen=True)
class People:
    """The faces in a source."""

    found: int
    shown: int
    """How many of them the picture shows, each whole."""
    box: Box | None = None
    """The face that a portrait shows: left, top, right, bottom in shares of the source."""


@dataclass(frozen=True)
class Analysis:
    """One answer's. What a mode has nothing to say of is None or empty."""

    preset_reason: PresetReason | None = None
    preset_words: str | None = None
    """The prompt's words that chose the preset."""
    refused_presets: tuple[str, ...] = ()
    """Presets that the prompt refuses."""
    framing: Framing | None = None
    people: People | None = None

    def as_dict(self) -> dict[str, Any]:
        """As it stands in INFO and RESULT."""
        people = self.people
        return {
            "presetReason": self.preset_reason,
            "presetWords": self.preset_words,
            "refusedPresets": list(self.refused_presets),
            "framing": self.framing,
            "people": None
            if people is None
            else {"found": people.found, "shown": people.shown, "box": people.box},
        }


def read_analysis(document: Any) -> Analysis | None:
    """A model's `analysis`; None where it gives none, or one that breaks the contract.

    Anyone may write a model, and no picture is lost for want of a word about it.
    """
    if not isinstance(document, Mapping):
        return None
    reason, words, framing = (
        document.get(name) for name in ("presetReason", "presetWords", "framing")
    )
    refused = document.get("refusedPresets") or []
    try:
        people = _people(document.get("people"))
    except (TypeError, ValueError, KeyError):
        return None
    sound = (
        reason in (None, *REASONS)
        and framing in (None, *FRAMINGS)
        and (words is None or (isinstance(words, str) and len(words) <= MAX_PRESET_WORDS))
        and isinstance(refused, list)
        and len(refused) <= MAX_REFUSED_PRESETS
        and all(isinstance(name, str) and len(name) <= MAX_PRESET_NAME for name in refused)
    )
    return Analysis(reason, words, tuple(refused), framing, people) if sound else None


def _people(document: Any) -> People | None:
    if document is None:
        return None
    found, shown, box = document["found"], document["shown"], document.get("box")
    for count in (found, shown):
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MAX_FACES:
            raise ValueError("a count is out of range")
    if box is None:
        return People(found, shown)
    left, top, right, bottom = (float(side) for side in box)
    if not all(math.isfinite(side) and 0 <= side <= 1 for side in (left, top, right, bottom)):
        raise ValueError("a box reaches beyond the picture")
    return People(found, shown, (left, top, right, bottom))
