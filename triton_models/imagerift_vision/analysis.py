"""The analysis of an answer: why this preset, and which people the picture shows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

from imagerift_contract.values import (
    MAX_FACES,
    MAX_PRESET_NAME,
    MAX_PRESET_WORDS,
    MAX_READ_ITEMS,
    MAX_READ_VALUE,
    MAX_REFUSED_PRESETS,
    Framing,
    IgnoredReason,
    PresetReason,
    ReadPart,
    SubjectReason,
    SubjectTreatment,
)

Box = tuple[float, float, float, float]

REASONS: tuple[str, ...] = get_args(PresetReason)
FRAMINGS: tuple[str, ...] = get_args(Framing)
PARTS: tuple[str, ...] = get_args(ReadPart)
TREATMENTS: tuple[str, ...] = get_args(SubjectTreatment)
SUBJECT_REASONS: tuple[str, ...] = get_args(SubjectReason)
IGNORED: tuple[str, ...] = get_args(IgnoredReason)


@dataclass(frozen=True)
class People:
    """The faces in a source."""

    found: int
    shown: int
    """How many of them the picture shows, each whole."""
    box: Box | None = None
    """The face that a portrait shows: left, top, right, bottom in shares of the source."""


@dataclass(frozen=True)
class Applied:
    """Words of a prompt that had an effect."""

    part: ReadPart
    value: str
    """A colour as `#rrggbb`, a preset's name or a word."""
    words: str


@dataclass(frozen=True)
class Ignored:
    """Words of a prompt that had none."""

    words: str
    reason: IgnoredReason


@dataclass(frozen=True)
class Understood:
    """What was understood of a prompt."""

    preset: str
    why: PresetReason
    applied: tuple[Applied, ...] = ()
    ignored: tuple[Ignored, ...] = ()


@dataclass(frozen=True)
class SubjectFound:
    """What became of the subject."""

    treatment: SubjectTreatment
    reason: SubjectReason
    confidence: float | None
    """In its cut-out, 0 to 1; None where its matte was given."""


@dataclass(frozen=True)
class Analysis:
    """The analysis of one answer. What a mode does not know is None or empty."""

    preset_reason: PresetReason | None = None
    preset_words: str | None = None
    """The prompt's words that chose the preset."""
    refused_presets: tuple[str, ...] = ()
    """Presets that the prompt refuses."""
    framing: Framing | None = None
    people: People | None = None
    prompt_read: Understood | None = None
    subject: SubjectFound | None = None
    """None where no subject was looked for."""

    def as_dict(self) -> dict[str, Any]:
        """The member `analysis` of INFO and RESULT."""
        people, read = self.people, self.prompt_read
        return {
            "presetReason": self.preset_reason,
            "presetWords": self.preset_words,
            "refusedPresets": list(self.refused_presets),
            "framing": self.framing,
            "people": None
            if people is None
            else {"found": people.found, "shown": people.shown, "box": people.box},
            "promptRead": None if read is None else asdict(read),
            "subject": None if self.subject is None else asdict(self.subject),
        }


def common(first: Analysis | None, second: Analysis | None) -> Analysis | None:
    """What holds of both answers to one job: in other proportions a picture is framed otherwise."""
    if first is None or second is None:
        return first or second
    return replace(
        first,
        framing=first.framing if first.framing == second.framing else None,
        people=first.people if first.people == second.people else None,
    )


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
        read = _understood(document.get("promptRead"))
        subject = _subject(document.get("subject"))
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
    if not sound:
        return None
    return Analysis(reason, words, tuple(refused), framing, people, read, subject)


def _understood(document: Any) -> Understood | None:
    if document is None:
        return None
    applied = tuple(
        Applied(item["part"], item["value"], item["words"]) for item in document["applied"]
    )
    ignored = tuple(Ignored(item["words"], item["reason"]) for item in document["ignored"])
    words = [*(item.words for item in applied), *(item.words for item in ignored)]
    values = [item.value for item in applied]
    sound = (
        document["why"] in REASONS
        and _is_text([document["preset"]], MAX_PRESET_NAME)
        and _is_text(words, MAX_PRESET_WORDS)
        and _is_text(values, MAX_READ_VALUE)
        and all(item.part in PARTS for item in applied)
        and all(item.reason in IGNORED for item in ignored)
        and max(len(applied), len(ignored)) <= MAX_READ_ITEMS
    )
    if not sound:
        raise ValueError("what was read of the prompt breaks the contract")
    return Understood(document["preset"], document["why"], applied, ignored)


def _subject(document: Any) -> SubjectFound | None:
    if document is None:
        return None
    treatment, reason = document["treatment"], document["reason"]
    confidence = document.get("confidence")
    if treatment not in TREATMENTS or reason not in SUBJECT_REASONS:
        raise ValueError("a treatment or reason is unknown")
    if confidence is not None and not 0 <= float(confidence) <= 1:
        raise ValueError("a confidence is out of range")
    return SubjectFound(treatment, reason, None if confidence is None else float(confidence))


def _is_text(texts: Sequence[Any], longest: int) -> bool:
    return all(isinstance(text, str) and len(text) <= longest for text in texts)


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
