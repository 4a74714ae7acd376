"""The word lists of `words/languages/`: one file a language, all of them read as one.

A list holds phrases. Words of a phrase are parted by spaces, which stand for spaces and hyphens in
the prompt; a hyphen stands for a joint that may be left out ("water-color" is "watercolor" too);
`a|b` is either word, `*` any ending, `#` any number. Case and accents do not matter.

    refusals          refuse what follows, up to the end of the clause ("not", "avoid")
    bare_refusals     the same, but a preposition ends it as well ("no shadows on white")
    list_refusals     refuse all that follows in the sentence ("negative prompt: neon, dark")
    refusals_after    refuse what stands right before ("neon-free")
    turns             end what is refused ("no neon but pastel")
    either, both      words between the members of a list
    prepositions, scenes, fillers   small words; a scene's stand before a place or a time of day
    heads             what a word that names a look belongs to ("vintage look", "neon light")
    grounds           the nouns for what is behind the subject
    ground_words      how those are: bright, dark, pastel
    ground_names      phrases that say so by themselves ("packshot")
    names             by preset: phrases that name the look wherever they stand
    words             by preset: words that may as well describe the thing ("vintage bag")
    idioms            phrases with a refusal that refuse nothing ("not only")
    things            phrases with the words of a look that name none ("pastel de nata")
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WORDS = Path(__file__).resolve().parent / "words"
FOLDER = WORDS / "languages"
# Small words that belong to no phrase; one by one they say what a word beside a look is.
ROLES = ("either", "both", "prepositions", "scenes", "fillers", "heads")

# Scripts that write no spaces between words, or attach small words to others.
UNSPACED = (
    "\u0590-\u06ff"  # Hebrew, Arabic
    "\u0900-\u097f"  # Devanagari, whose vowel signs are no word characters
    "\u0e00-\u0e7f"  # Thai
    "\u1100-\u11ff\uac00-\ud7af"  # Hangul
    "\u3040-\u30ff\u3400-\u9fff"  # kana, Han
)
Lists = dict[str, dict[str, list[str]]]

_UNSPACED = re.compile(f"[{UNSPACED}]")
_JOINT, _GAP = r"[\s_\-]?", r"[\s_\-]+"


@dataclass(frozen=True)
class Mark:
    """A phrase of a list where it stands in a text."""

    start: int
    end: int
    meanings: tuple[tuple[str, str], ...]
    """(list, key): the key is a preset, `bright` and the like, or nothing."""

    def under(self, *kinds: str) -> tuple[str, ...]:
        """The keys it has in these lists."""
        return tuple(key for kind, key in self.meanings if kind in kinds)

    def of(self, *kinds: str) -> bool:
        """Whether it stands in one of these lists."""
        return any(kind in kinds for kind, _ in self.meanings)


def plain(text: str) -> str:
    """Without case, width, typographic signs, or the accents of Latin, Greek and Cyrillic."""
    even = unicodedata.normalize("NFKD", text.casefold())
    bare = re.sub("[\u0300-\u036f]", "", even)
    bare = re.sub("[\u2018\u2019\u02bc]", "'", bare)
    bare = re.sub("[\u2010-\u2015\u2212]", "-", bare)
    return unicodedata.normalize("NFC", bare)


class Lexicon:
    """All lists, ready to be looked for in a text."""

    def __init__(self, lists: Lists, roles: tuple[str, ...] = ROLES) -> None:
        """`lists` are the phrases of each list, by key; those of `roles` are single words."""
        self._roles = {
            role: re.compile(
                "|".join(_word(plain(word)) for word in lists.pop(role, {}).get("", []))
            )
            for role in roles
        }
        self._by_letter: dict[str, list[tuple[re.Pattern[str], str, str]]] = {}
        for kind, table in lists.items():
            for key, phrases in table.items():
                for phrase in map(plain, phrases):
                    entry = re.compile(_pattern(phrase)), kind, key
                    for letter in _first_letters(phrase):
                        self._by_letter.setdefault(letter, []).append(entry)

    def marks(self, text: str) -> Iterator[Mark]:
        """The phrases in a `plain` text, from left to right; none overlap.

        At one place the longest counts, with all of its meanings.
        """
        place = 0
        while place < len(text):
            end = place
            meanings: list[tuple[str, str]] = []
            for pattern, kind, key in self._by_letter.get(text[place], ()):
                found = pattern.match(text, place)
                if found is None or found.end() < end:
                    continue
                if found.end() > end:
                    end, meanings = found.end(), []
                meanings.append((kind, key))
            if meanings:
                yield Mark(place, end, tuple(dict.fromkeys(meanings)))
            place = max(end, place + 1)

    def has_role(self, word: str, *roles: str) -> bool:
        """Whether a single `plain` word plays one of these small parts."""
        return any(self._roles[role].fullmatch(word) for role in roles)


@cache
def lexicon() -> Lexicon:
    """The shipped lists of all languages."""
    return Lexicon(read_lists(FOLDER))


def read_lists(folder: Path) -> Lists:
    """All lists of a folder's files as one."""
    lists: Lists = {}
    for path in sorted(folder.glob("*.toml")):
        for kind, content in tomllib.loads(path.read_text("utf-8")).items():
            table = content if isinstance(content, dict) else {"": content}
            for key, phrases in table.items():
                lists.setdefault(kind, {}).setdefault(key, []).extend(phrases)
    return lists


def _first_letters(phrase: str) -> set[str]:
    first = {word[0] for word in phrase.split(maxsplit=1)[0].split("|")}
    return first - {"#"} | (set("0123456789") if "#" in first else set())


def _pattern(phrase: str) -> str:
    body = _GAP.join("(?:" + "|".join(map(_word, w.split("|"))) + ")" for w in phrase.split())
    before = "" if _UNSPACED.match(phrase) else r"(?<!\w)"
    after = "" if _UNSPACED.match(phrase[-1]) or phrase.endswith("*") else r"(?!\w)"
    return before + body + after


def _word(word: str) -> str:
    if word.startswith("--"):
        return re.escape(word)
    parts = [re.escape(part) for part in word.split("-")]
    return _JOINT.join(parts).replace(r"\*", r"\w*").replace(r"\#", r"\d+")
