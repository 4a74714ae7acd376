"""What a prompt's words ask of the set: colours, materials, light, time, room for text, angle.

The lists of `words/scene/`, one file a language, are written as those of lexicon.py:

    onto, into        single words before what the subject stands on or in
    between           single words that may stand between a colour and its noun
    links             the same where the noun comes first ("a background in blue")
    grounds           nouns for all that is around the subject: wall and floor are one
    walls, floors     nouns for the wall and for what the subject stands on
    lamps, accents    nouns for light, and for neon tubes, discs and lights out of focus
    colours, shades   by CSS name or hex; by shade of colours.py
    surfaces          words for materials, which count beside such a noun, or after "on"
    laid              phrases that name the floor's material by themselves ("in the snow")
    lights, patterns, times, spaces, angles   phrases, by what they ask for
    extras            shadow and reflection, which a prompt may refuse
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from imagerift_contract.values import ReadPart

from imagerift_vision.colours import SHADES, colour_of, css_colours, hex_of, shaded
from imagerift_vision.lexicon import WORDS, Lexicon, Mark, lexicon, read_lists
from imagerift_vision.prompt_wording import Wording, is_small, pieces_of

FOLDER = WORDS / "scene"
ROLES = ("onto", "into", "between", "links")
# Nouns, and the part of the set that is told of by them.
HEADS: dict[str, ReadPart] = {
    "grounds": "background",
    "walls": "wall",
    "floors": "floor",
    "lamps": "light",
    "accents": "accent",
}
PLANES = ("background", "wall", "floor")
HUES = ("colours", "shades")
# Words between a colour or a material and its noun.
REACH = 5
# What one can stand in as well as on.
LOOSE = frozenset({"sand", "snow", "water", "grass"})
# Lists whose phrases ask by themselves, and the part of the set that they are about.
ALONE: dict[str, ReadPart] = {
    "lights": "light",
    "patterns": "light",
    "spaces": "copySpace",
    "angles": "angle",
}
EXTRAS: tuple[ReadPart, ...] = ("shadow", "reflection")

_NUMBERS = re.compile(
    r"#(?:[0-9a-f]{6}|[0-9a-f]{3})(?![0-9a-z])"
    r"|rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)"
)


@dataclass(frozen=True)
class Wish:
    """One thing that words of the prompt ask of the set."""

    part: ReadPart
    value: str
    """A colour as `#rrggbb`, or a word."""
    start: int
    end: int


@cache
def scene_lexicon() -> Lexicon:
    """The shipped lists of all languages, and CSS's colours."""
    lists = read_lists(FOLDER)
    for name in css_colours():
        lists.setdefault("colours", {}).setdefault(name, []).append(name)
    return Lexicon(lists, ROLES)


def wishes_of(wording: Wording) -> tuple[Wish, ...]:
    """What a prompt asks of the set, in its order; what it refuses is left out."""
    return tuple(sorted(_Reader(wording).wishes(), key=lambda wish: wish.start))


class _Reader:
    def __init__(self, wording: Wording) -> None:
        self._text = wording.text
        self._words = scene_lexicon()
        self._small = lexicon()
        self._pieces = tuple(pieces_of(self._text, self._marks()))
        self._refused = frozenset(
            index
            for index, piece in enumerate(self._pieces)
            if any(start < piece.end and piece.start < end for start, end in wording.refused_places)
        )
        self._placed: dict[int, Wish] = {}

    def _marks(self) -> Iterator[Mark]:
        """The lists' phrases, and colours by number."""
        numbers = [
            Mark(found.start(), found.end(), (("colours", _hex(found)),))
            for found in _NUMBERS.finditer(self._text)
        ]
        named = (
            mark
            for mark in self._words.marks(self._text)
            if not any(mark.start < number.end and number.start < mark.end for number in numbers)
        )
        yield from sorted([*numbers, *named], key=lambda mark: mark.start)

    def wishes(self) -> list[Wish]:
        """All of them."""
        found = [wish for index in range(len(self._pieces)) for wish in self._phrase(index)]
        for step in (1, -1):
            for index in range(len(self._pieces)):
                self._material(index, step)
        for index in range(len(self._pieces)):
            self._stood_on(index)
        for step in (1, -1):
            for index in range(len(self._pieces)):
                self._colour(index, step)
        for index in range(len(self._pieces)):
            self._colour_alone(index)
        return [*found, *self._placed.values()]

    def _phrase(self, index: int) -> Iterator[Wish]:
        piece = self._pieces[index]
        refused = index in self._refused
        if refused:
            for extra in EXTRAS:
                if extra in piece.under("extras"):
                    yield Wish(extra, "none", piece.start, piece.end)
            return
        for key in piece.under("laid"):
            self._placed[index] = Wish("floor", key, piece.start, piece.end)
        for kind, part in ALONE.items():
            if kind == "patterns" and piece.text.isalpha() and not self._is_bare(index):
                # "LED spotlight", "wooden blinds": things.
                continue
            for key in piece.under(kind):
                yield Wish(part, key, piece.start, piece.end)
        if piece.of("times") and self._is_scene(index):
            yield Wish("time", piece.under("times")[0], piece.start, piece.end)

    def _material(self, index: int, step: int) -> None:
        """A material beside the noun that is of it ("marble table", "mesa de madera")."""
        if not self._is_open(index, "surfaces"):
            return
        head = self._head(index, step)
        if head is not None and head[1] in PLANES:
            self._place(index, head[1], self._pieces[index].under("surfaces")[0], head[0])

    def _stood_on(self, index: int) -> None:
        """A material that something stands on ("on white marble"), or that stands alone."""
        if not self._is_open(index, "surfaces") or not self._ends_phrase(index):
            return
        material = self._pieces[index].under("surfaces")[0]
        before = self._before(index)
        roles = ("onto", "into") if material in LOOSE else ("onto",)
        if before is None:
            if self._is_bare(index):
                self._place(index, "floor", material, index)
        elif self._has_role(before, *roles):
            self._place(index, "floor", material, before)

    def _colour(self, index: int, step: int) -> None:
        if not self._is_open(index, "colours"):
            return
        head = self._head(index, step)
        if head is None:
            if step > 0:
                self._colour_of_material(index)
            return
        place, part = head
        if step > 0 or not self._has_colour(place):
            self._place(index, part, self._shade_of(index), place)

    def _has_colour(self, place: int) -> bool:
        """Whether a noun has its colour already: the next one is of something else."""
        return any(
            wish.value.startswith("#") and wish.start <= self._pieces[place].start < wish.end
            for wish in self._placed.values()
        )

    def _colour_of_material(self, index: int) -> None:
        """ "White marble", where the marble has its place."""
        for step in (1, -1):
            for place in self._walk(index, step):
                if place in self._placed and self._pieces[place].of("surfaces", "laid"):
                    self._place(index, self._placed[place].part, self._shade_of(index), place)
                    return
                if not self._may_stand_between(place, step):
                    break

    def _colour_alone(self, index: int) -> None:
        """A colour that something stands on or before ("on white"), or that is the whole wish."""
        if not self._is_open(index, "colours") or not self._ends_phrase(index):
            return
        if any(wish.part in ("background", "wall") for wish in self._placed.values()):
            return
        before = self._before(index)
        onto = before is not None and self._has_role(before, "onto")
        if onto or self._pieces[index].text.startswith(("#", "rgb")) or self._says_no_more():
            self._place(index, "background", self._shade_of(index), before if onto else index)

    def _is_open(self, index: int, kind: str) -> bool:
        return (
            self._pieces[index].of(kind)
            and index not in self._placed
            and index not in self._refused
        )

    def _place(self, index: int, part: ReadPart, value: str, other: int | None) -> None:
        places = [index, index if other is None else other]
        start = min(self._pieces[place].start for place in places)
        end = max(self._pieces[place].end for place in places)
        for place in self._neighbours(index):
            start, end = min(start, self._pieces[place].start), max(end, self._pieces[place].end)
        self._placed[index] = Wish(part, value, start, end)

    def _head(self, index: int, step: int) -> tuple[int, ReadPart] | None:
        """The noun that a colour or a material belongs to, and its part of the set."""
        if step < 0 and not self._ends_phrase(index):
            return None
        for place in self._walk(index, step):
            piece = self._pieces[place]
            parts = [part for kind, part in HEADS.items() if piece.of(kind)]
            if parts and not (step < 0 and piece.of("shades")):
                # "White wall clock", "blue light glasses": things.
                if step > 0 and parts[0] != "background" and piece.text.isascii():
                    more = place + 1 < len(self._pieces) and self._pieces[place + 1].of(*HEADS)
                    return (place, parts[0]) if more or self._ends_phrase(place) else None
                return place, parts[0]
            if not self._may_stand_between(place, step):
                return None
        return None

    def _walk(self, index: int, step: int) -> Iterator[int]:
        """The places beside one, as far as its phrase may reach."""
        for place in range(index + step, index + step * (REACH + 1), step):
            if not 0 <= place < len(self._pieces) or place in self._refused:
                return
            piece = self._pieces[place]
            if piece.breaks and not (step < 0 and piece.text == ":"):
                return
            yield place

    def _may_stand_between(self, place: int, step: int) -> bool:
        piece = self._pieces[place]
        if piece.of("surfaces", *HUES) or self._has_role(place, "between"):
            return True
        return step < 0 and (piece.text in ":=" or self._has_role(place, "links"))

    def _has_role(self, place: int, *roles: str) -> bool:
        return self._words.has_role(self._pieces[place].text, *roles)

    def _before(self, index: int) -> int | None:
        """The first word before a colour or material that is none of its adjectives."""
        for place in self._walk(index, -1):
            piece = self._pieces[place]
            if not piece.is_word or piece.of("surfaces", *HUES):
                continue
            if self._has_role(place, "onto", "into"):
                return place
            if not self._has_role(place, "between"):
                return place
        return None

    def _ends_phrase(self, index: int) -> bool:
        """Whether no noun follows that the word could describe ("on marble", "fondo azul")."""
        for place in range(index + 1, len(self._pieces)):
            piece = self._pieces[place]
            if piece.of("surfaces", *HUES):
                continue
            if piece.breaks or not piece.is_word or place in self._refused:
                return True
            if piece.mark is not None and not piece.of(*HEADS):
                return True
            return is_small(piece, self._small) or self._has_role(place, "onto", "into", "links")
        return True

    def _is_bare(self, index: int) -> bool:
        """Whether nothing else stands between two commas."""
        low, high = index, index
        while low and not self._pieces[low - 1].breaks:
            low -= 1
        while high < len(self._pieces) and not self._pieces[high].breaks:
            high += 1
        return all(
            place == index or piece.of("surfaces", *HUES) or self._has_role(place, "between")
            for place, piece in enumerate(self._pieces[low:high], low)
            if piece.is_word
        )

    def _says_no_more(self) -> bool:
        """Whether the prompt is but words of the set."""
        return all(
            not piece.is_word
            or is_small(piece, self._small)
            or (piece.mark is not None and (not piece.of("times") or self._is_scene(place)))
            for place, piece in enumerate(self._pieces)
        )

    def _is_scene(self, index: int) -> bool:
        """Whether it is when the picture is taken ("at night"), not what is in it."""
        for place in self._walk(index, 1):
            piece = self._pieces[place]
            thing = piece.is_word and (piece.mark is None or piece.of("surfaces", *HUES))
            head = self._small.has_role(piece.text, "heads") or piece.of("lamps")
            if thing and not head and not is_small(piece, self._small):
                return False
            break
        before = [place for place in self._walk(index, -1) if self._pieces[place].is_word][:2]
        return (
            not before
            or " " in self._pieces[index].text
            or any(
                self._small.has_role(self._pieces[place].text, "scenes")
                or self._has_role(place, "into", "onto")
                for place in before
            )
        )

    def _neighbours(self, index: int) -> Iterator[int]:
        """The shades beside a colour, before or after it."""
        for step in (-1, 1):
            place = index + step
            if 0 <= place < len(self._pieces) and self._pieces[place].of("shades"):
                yield place

    def _shade_of(self, index: int) -> str:
        piece = self._pieces[index]
        # "Violet" is a colour of CSS, and in other languages the name of another one.
        own = re.sub(r"[\s_-]", "", piece.text)
        names = sorted(piece.under("colours"), key=lambda name: name.replace("-", "") != own)
        colour = colour_of(names[0])
        for place in self._neighbours(index):
            beside = self._pieces[place]
            # "Light" before a colour is its shade, after one it is the lamp's.
            if place > index and beside.of("lamps"):
                continue
            for shade in beside.under("shades"):
                if shade in SHADES:
                    return hex_of(shaded(colour, shade))
        return hex_of(colour)


def _hex(found: re.Match[str]) -> str:
    if found[1] is None:
        return hex_of(colour_of(found[0]))
    red, green, blue = (min(255, int(found[part])) / 255 for part in (1, 2, 3))
    return hex_of((red, green, blue))
