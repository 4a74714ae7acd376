"""What a prompt's words say of the picture wanted, and what they refuse."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imagerift_contract.values import MAX_PRESET_WORDS

from imagerift_vision.lexicon import Lexicon, Mark, plain

# The preset for a kind of background.
GROUNDS = {"bright": "studio", "dark": "luxury_dark", "pastel": "pastel"}
EVIDENCE = ("names", "words", "ground_names", "ground_words", "grounds")
REFUSALS = ("refusals", "bare_refusals", "list_refusals")
# Words between a background and what it is like, and between a look and the word it belongs to.
GROUND_REACH = 4
HEAD_REACH = 2
# A longer part between two commas is no member of a list.
LONGEST_MEMBER = 5
# With fewer words that say something, nothing is left to be compared.
LEAST_TELLING = 2

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[^\w\s]")
_SENTENCE_ENDS = frozenset(".;!?\n。；！？।")
_COMMAS = frozenset(",()[]|、，：:")


@dataclass(frozen=True)
class Said:
    """A look that words of the prompt ask for."""

    preset: str
    words: str
    """The prompt's own, shortened."""
    start: int
    end: int


@dataclass(frozen=True)
class Piece:
    """A phrase of the lists, or a word or sign between two of them."""

    text: str
    start: int
    end: int
    mark: Mark | None = None

    def of(self, *kinds: str) -> bool:
        """Whether it is a phrase of one of these lists."""
        return self.mark is not None and self.mark.of(*kinds)

    def under(self, *kinds: str) -> tuple[str, ...]:
        """Its keys in these lists."""
        return self.mark.under(*kinds) if self.mark else ()

    @property
    def ends_sentence(self) -> bool:
        """Whether it is a full stop or the like."""
        return self.text in _SENTENCE_ENDS

    @property
    def breaks(self) -> bool:
        """Whether it parts two members of a sentence."""
        return self.text in _COMMAS or self.ends_sentence

    @property
    def is_word(self) -> bool:
        """Whether it is no sign."""
        return self.text[:1].isalnum()


@dataclass(frozen=True)
class Wording:
    """What the words of a prompt say."""

    named: tuple[Said, ...]
    """Looks by name, in the prompt's order."""
    grounds: tuple[Said, ...]
    """What is to be behind the subject."""
    refused: tuple[str, ...]
    """Presets that the words refuse."""
    text: str
    """The whole prompt, `plain`; places are in this."""
    refused_places: tuple[tuple[int, int], ...]
    """From where to where a phrase or word stands that is refused, or refuses."""
    evident_places: tuple[tuple[int, int], ...]
    """From where to where a refused look or background stands."""
    kept: tuple[Piece, ...]
    """What is left without what is refused, things, and words that describe the thing."""
    _lexicon: Lexicon

    def rest(self, apart: Sequence[tuple[int, int]] = ()) -> str:
        """What else it says, without what stands at the places `apart`; empty where too little."""
        kept = [
            piece
            for piece in self.kept
            if not any(start < piece.end and piece.start < end for start, end in apart)
        ]
        telling = sum(piece.is_word and not is_dependent(piece, self._lexicon) for piece in kept)
        return " ".join(piece.text for piece in kept) if telling >= LEAST_TELLING else ""


def worded(prompt: str, lexicon: Lexicon) -> Wording:
    """Read a prompt by the word lists."""
    text = plain(re.sub(r"[\r\n]+", " . ", prompt))
    return _Reader(text, lexicon).wording()


def is_small(piece: Piece, lexicon: Lexicon) -> bool:
    """Whether it is an article, a preposition or the like."""
    return lexicon.has_role(piece.text, "fillers", "prepositions", "both", "either")


def is_dependent(piece: Piece, lexicon: Lexicon) -> bool:
    """Whether it says nothing by itself: a small word, or what a look belongs to."""
    return is_small(piece, lexicon) or _is_head(piece, lexicon)


def _is_head(piece: Piece, lexicon: Lexicon) -> bool:
    return piece.of("grounds") or lexicon.has_role(piece.text, "heads")


class _Reader:
    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self._text = text
        self._lexicon = lexicon
        self._pieces = tuple(pieces_of(text, lexicon.marks(text)))
        self._refused = self._all_refused()

    def wording(self) -> Wording:
        named: list[Said] = []
        grounds: list[Said] = []
        refused: list[str] = []
        behind: set[int] = set()
        for index, piece in enumerate(self._pieces):
            if piece.of("grounds"):
                ground = self._ground(index)
                self._sort(ground, grounds, refused)
                behind.update(range(ground[1], ground[2] + 1))
        for index, piece in enumerate(self._pieces):
            if index in behind:
                continue
            if piece.of("ground_names"):
                presets = [GROUNDS[key] for key in piece.under("ground_names")]
                self._sort((presets, index, index), grounds, refused)
            counts = index in self._refused or self._counts(index)
            presets = [*piece.under("names"), *(piece.under("words") if counts else ())]
            self._sort((presets, index, index), named, refused)
        once = tuple(dict.fromkeys(refused))
        kept = tuple(
            piece
            for index, piece in enumerate(self._pieces)
            if index not in self._refused
            and not piece.of("things", "idioms", "turns", "words", *REFUSALS)
            and not set(piece.under("names")) & set(once)
        )
        places = tuple(
            (piece.start, piece.end)
            for index, piece in enumerate(self._pieces)
            if index in self._refused or piece.of("refusals_after", *REFUSALS)
        )
        evident = tuple(
            (piece.start, piece.end)
            for index, piece in enumerate(self._pieces)
            if index in self._refused and piece.of(*EVIDENCE)
        )
        return Wording(
            tuple(named), tuple(grounds), once, self._text, places, evident, kept, self._lexicon
        )

    def _sort(
        self, found: tuple[list[str], int, int], wanted: list[Said], refused: list[str]
    ) -> None:
        presets, first, last = found
        if any(index in self._refused for index in range(first, last + 1)):
            refused += presets
            return
        start, end = self._pieces[first].start, self._pieces[last].end
        words = self._text[start:end][:MAX_PRESET_WORDS]
        wanted += [Said(preset, words, start, end) for preset in presets]

    def _ground(self, noun: int) -> tuple[list[str], int, int]:
        """The presets for a background with its words, and from where to where these stand."""
        for step in (-1, 1):
            said: dict[str, int] = {}
            for index in range(noun + step, noun + step * (GROUND_REACH + 1), step):
                if not 0 <= index < len(self._pieces) or self._stops(index, step):
                    break
                piece = self._pieces[index]
                for key in piece.under("ground_words", "ground_names"):
                    said.setdefault(GROUNDS[key], index)
                for key in piece.under("names", "words"):
                    said.setdefault(key, index)
                if said and step == 1:
                    break
            if said:
                place = min(said.values()) if step < 0 else max(said.values())
                best = min(said, key=_ground_order)
                return [best], min(place, noun), max(place, noun)
        return [], noun, noun

    def _stops(self, index: int, step: int) -> bool:
        """Whether a background's words end at a piece."""
        piece = self._pieces[index]
        if piece.of("turns", "grounds", *REFUSALS):
            return True
        if piece.text in ":=" or (step > 0 and piece.text == "in"):
            return step < 0
        return piece.breaks or self._lexicon.has_role(piece.text, "prepositions")

    def _counts(self, index: int) -> bool:
        """Whether a word that may describe the thing names the look here."""
        if not self._pieces[index].of("words"):
            return False
        return self._has_head(index) or self._is_alone(index) or self._is_scene(index)

    def _has_head(self, index: int) -> bool:
        after = list(self._words(index, 1, HEAD_REACH))
        if any(self._is_head(piece) for piece in after):
            return True
        before = list(self._words(index, -1, HEAD_REACH))
        if not before:
            return False
        linked = len(before) > 1 and self._is_small(before[0])
        return self._is_head(before[0]) or (linked and self._is_head(before[1]))

    def _is_head(self, piece: Piece) -> bool:
        return _is_head(piece, self._lexicon)

    def _is_small(self, piece: Piece) -> bool:
        return is_small(piece, self._lexicon)

    def _is_alone(self, index: int) -> bool:
        """Whether nothing else but looks stands between two commas."""
        low, high = self._member(index)
        return all(
            piece.of("names", "words", "idioms", "turns", *REFUSALS)
            or self._is_small(piece)
            or not piece.is_word
            for piece in self._pieces[low:high]
        )

    def _is_scene(self, index: int) -> bool:
        """Whether it is where or when the thing is ("in a dense forest")."""
        after = next(self._words(index, 1, 1), None)
        if after is not None and not self._is_small(after) and not after.of("turns", *EVIDENCE):
            return False
        before = list(self._words(index, -1, 3))
        return any(self._lexicon.has_role(piece.text, "scenes") for piece in before)

    def _words(self, index: int, step: int, count: int) -> Iterator[Piece]:
        """Up to `count` words beside a piece, no comma between."""
        index += step
        while count and 0 <= index < len(self._pieces) and not self._pieces[index].breaks:
            if self._pieces[index].is_word:
                count -= 1
                yield self._pieces[index]
            index += step

    def _member(self, index: int) -> tuple[int, int]:
        """From where to where the part between two commas reaches."""
        low, high = index, index
        while low and not self._pieces[low - 1].breaks:
            low -= 1
        while high < len(self._pieces) and not self._pieces[high].breaks:
            high += 1
        return low, high

    def _all_refused(self) -> frozenset[int]:
        refused: set[int] = set()
        for index, piece in enumerate(self._pieces):
            if piece.of(*REFUSALS):
                refused.update(self._refused_after(index))
            elif piece.of("refusals_after"):
                refused.update(self._refused_before(index))
        return frozenset(refused)

    def _refused_before(self, index: int) -> Iterator[int]:
        """The nearest evidence before "…-free", with the words of a background."""
        nearest = None
        for place in range(index - 1, max(-1, index - 5), -1):
            piece = self._pieces[place]
            if piece.breaks or piece.of("turns", *REFUSALS):
                return
            if nearest is not None and not piece.of("ground_words", "words"):
                return
            if piece.of(*EVIDENCE):
                yield place
                nearest = place
                if not piece.of("grounds"):
                    return

    def _refused_after(self, start: int) -> Iterator[int]:
        """What "no", "without" and the like reach: a clause, or a list that "or" closes."""
        first = self._pieces[start]
        to_the_end = first.of("list_refusals") or self._next_is(start, ":")
        seen, in_list = False, False
        index = start + 1
        while index < len(self._pieces):
            piece = self._pieces[index]
            if piece.ends_sentence or (seen and piece.of("turns")):
                return
            if piece.text in _COMMAS and not to_the_end:
                if not self._list_goes_on(start, index):
                    return
                in_list = True
            elif self._lexicon.has_role(piece.text, "both"):
                in_list = True
            small = self._lexicon.has_role(piece.text, "prepositions")
            if small and seen and first.of("bare_refusals"):
                return
            seen = seen or (piece.is_word and not piece.of("turns") and not self._is_small(piece))
            if not (in_list and not to_the_end and self._is_bright(index)):
                yield index
            index += 1

    def _next_is(self, index: int, sign: str) -> bool:
        return index + 1 < len(self._pieces) and self._pieces[index + 1].text == sign

    def _is_bright(self, index: int) -> bool:
        """People refuse dark looks and ask for bright ones: no list carries a refusal to these."""
        return "bright" in self._pieces[index].under("ground_words", "ground_names")

    def _list_goes_on(self, start: int, comma: int) -> bool:
        """Whether a comma parts two members of one refused list ("no A, B or C")."""
        about_looks = any(piece.of(*EVIDENCE) for piece in self._pieces[start + 1 : comma])
        while comma < len(self._pieces) and not self._pieces[comma].ends_sentence:
            low, high = self._member(comma + 1)
            member = self._pieces[max(low, comma + 1) : high]
            words = [piece for piece in member if piece.is_word]
            if not words or len(words) > LONGEST_MEMBER or member[0].of("turns", *REFUSALS):
                return False
            if any(self._lexicon.has_role(piece.text, "either") for piece in words):
                return True
            if any(self._lexicon.has_role(piece.text, "both") for piece in words):
                return about_looks
            comma = high
        return False


def _ground_order(preset: str) -> tuple[bool, bool]:
    """A dark or coloured background is said outright; "clean" and "studio" go with either."""
    return preset != "luxury_dark", preset == "studio"


def pieces_of(text: str, marks: Iterable[Mark]) -> Iterator[Piece]:
    """The marks, and the words and signs between them."""
    place = 0
    for mark in marks:
        yield from _between(text, place, mark.start)
        yield Piece(text[mark.start : mark.end], mark.start, mark.end, mark)
        place = mark.end
    yield from _between(text, place, len(text))


def _between(text: str, start: int, end: int) -> Sequence[Piece]:
    found = _WORD.finditer(text, start, end)
    return [Piece(match.group(), match.start(), match.end()) for match in found]
