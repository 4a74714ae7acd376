"""What was understood of a prompt: the set that it asks for, what of it applies, what does not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from imagerift_contract.values import (
    MAX_PRESET_WORDS,
    MAX_READ_ITEMS,
    PresetReason,
)

from imagerift_vision.analysis import Applied, Ignored, Understood
from imagerift_vision.colours import colour_of
from imagerift_vision.lexicon import lexicon
from imagerift_vision.prompt_wording import Said, Wording, is_dependent, pieces_of
from imagerift_vision.scene_spec import (
    PLAIN,
    Hardness,
    LightSpec,
    Pattern,
    Plane,
    SceneSpec,
    Warmth,
)
from imagerift_vision.scene_words import Wish, scene_lexicon

# Slots of `SceneSpec` that one wish fills.
Slot = tuple[str, str]


@dataclass(frozen=True)
class PromptRead:
    """A prompt as it was understood."""

    preset: str
    why: PresetReason
    words: str = ""
    """The prompt's words that chose the preset."""
    refused: tuple[str, ...] = ()
    """Presets that the prompt refuses."""
    scene: SceneSpec = PLAIN
    applied: tuple[Applied, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    embedded: bool = False
    """Whether the embedding was asked."""

    def showing(self, can_show: Callable[[Applied], bool]) -> "PromptRead":
        """The same where a picture cannot show all that was understood."""
        kept = tuple(item for item in self.applied if can_show(item))
        lost = [item for item in self.applied if not can_show(item)]
        impossible = [Ignored(item.words, "impossible") for item in lost]
        ignored = (*impossible, *self.ignored)[:MAX_READ_ITEMS]
        return replace(self, applied=kept, ignored=ignored)

    @property
    def understood(self) -> Understood:
        """What the answer tells of it."""
        return Understood(self.preset, self.why, self.applied, self.ignored)


def directed(
    wording: Wording, wishes: Sequence[Wish], preset: str, said: Said | None
) -> tuple[SceneSpec, tuple[Applied, ...], tuple[Ignored, ...]]:
    """The set that a prompt's words ask for, those that apply, and those that do not."""
    slots: dict[Slot, Wish] = {}
    places: list[tuple[int, int]] = []
    applied: list[tuple[int, Applied]] = []
    ignored: list[tuple[int, Ignored]] = []

    def quoted(start: int, end: int) -> str:
        places.append((start, end))
        return wording.text[start:end][:MAX_PRESET_WORDS]

    if said is not None:
        words = quoted(said.start, said.end)
        applied.append((said.start, Applied("look", preset, words)))
    for wish in wishes:
        words = quoted(wish.start, wish.end)
        slot = _slot(wish)
        if slots.setdefault(slot, wish).value != wish.value:
            ignored.append((wish.start, Ignored(words, "conflict")))
        elif slots[slot] is wish:
            applied.append((wish.start, Applied(wish.part, wish.value, words)))
    film = False
    for other in (*wording.named, *wording.grounds):
        if other.preset == preset or other.preset in wording.refused:
            places.append((other.start, other.end))
        elif other.preset == "cinematic" and preset == "studio":
            film = True
            words = quoted(other.start, other.end)
            applied.append((other.start, Applied("light", "cinematic", words)))
        elif not any(_overlap((other.start, other.end), (w.start, w.end)) for w in wishes):
            words = quoted(other.start, other.end)
            ignored.append((other.start, Ignored(words, "conflict")))
    places += wording.evident_places
    ignored += [
        (start, Ignored(words, "unknown")) for start, words in _unread(wording, tuple(places))
    ]
    return (
        replace(_scene(slots), cinematic=film),
        tuple(item for _, item in sorted(applied, key=lambda pair: pair[0]))[:MAX_READ_ITEMS],
        tuple(item for _, item in sorted(ignored, key=lambda pair: pair[0]))[:MAX_READ_ITEMS],
    )


def _slot(wish: Wish) -> Slot:
    if wish.part in ("background", "wall", "floor"):
        return wish.part, "colour" if wish.value.startswith("#") else "surface"
    if wish.part == "light":
        if wish.value.startswith("#"):
            return "light", "colour"
        for name, values in (("warmth", Warmth), ("hardness", Hardness), ("pattern", Pattern)):
            if wish.value in get_args(values):
                return "light", name
    return wish.part, ""


def _scene(slots: dict[Slot, Wish]) -> SceneSpec:
    def value(part: str, name: str = "") -> Any:
        wish = slots.get((part, name))
        if wish is None:
            return None
        return colour_of(wish.value) if wish.value.startswith("#") else wish.value

    def plane(part: str) -> Plane:
        own = Plane(value(part, "colour"), value(part, "surface"))
        around = Plane(value("background", "colour"), value("background", "surface"))
        if part == "floor":
            if own != Plane():
                return own
            # Nothing stands on bricks.
            return Plane(around.colour) if around.surface == "brick" else around
        return Plane(own.colour or around.colour, own.surface or around.surface)

    return SceneSpec(
        wall=plane("wall"),
        floor=plane("floor"),
        light=LightSpec(
            value("light", "colour"),
            value("light", "warmth"),
            value("light", "hardness"),
            value("light", "pattern"),
        ),
        accent=value("accent"),
        time=value("time"),
        space=value("copySpace"),
        angle=value("angle"),
        shadow=("shadow", "") not in slots,
        reflection=("reflection", "") not in slots,
    )


def _unread(wording: Wording, places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, str]]:
    """What the prompt says beside, in its words: to the next comma, or word that is read."""
    small, words = lexicon(), scene_lexicon()
    run: list[tuple[int, int]] = []
    for piece in (*pieces_of(wording.text, ()), None):
        read = piece is None or any(_overlap((piece.start, piece.end), place) for place in places)
        if piece is None or read or piece.breaks:
            if run:
                start, end = run[0][0], run[-1][1]
                yield start, wording.text[start:end][:MAX_PRESET_WORDS]
            run = []
        elif piece.is_word and not (
            is_dependent(piece, small)
            or words.has_role(piece.text, "onto", "into", "between", "links")
            or small.has_role(piece.text, "scenes")
        ):
            run.append((piece.start, piece.end))


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
