"""What a prompt says: whether anything at all, and whether words that a mode refuses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

# Unicode's Default_Ignorable_Code_Point outside the category Cf (DerivedCoreProperties.txt), and
# the one sign that is drawn as nothing: the blank Braille pattern.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
_SHOWS_NOTHING = frozenset({"Cc", "Cf", "Cs"})


def is_blank(text: str) -> bool:
    """Whether a reader sees nothing: spaces, controls and characters that are not drawn alone."""
    return not _visible(text).strip()


def contains_refused_words(prompt: str, refused: Sequence[str]) -> bool:
    """Whether one of the words or phrases stands in the prompt, as whole words.

    Case, width and other compatibility forms of letters (Unicode NFKC), accents set apart,
    characters that are not drawn, and any run of spaces between words make no difference.
    """
    return bool(refused) and _pattern(tuple(refused)).search(_plain(prompt)) is not None


@lru_cache(maxsize=64)
def _pattern(refused: tuple[str, ...]) -> re.Pattern[str]:
    choices = "|".join(re.escape(_plain(words)) for words in refused)
    return re.compile(rf"(?<!\w)(?:{choices})(?!\w)")


def _plain(text: str) -> str:
    return " ".join(_visible(unicodedata.normalize("NFKC", text)).casefold().split())


def _visible(text: str) -> str:
    """The text without what is not drawn; white space stays."""
    return "".join(
        letter
        for letter in _IGNORABLE.sub("", text)
        if letter.isspace() or unicodedata.category(letter) not in _SHOWS_NOTHING
    )
