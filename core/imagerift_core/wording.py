"""Words that an installation's modes refuse in a prompt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache


def holds_refused_words(prompt: str, refused: Sequence[str]) -> bool:
    """Whether one of the words or phrases stands in the prompt, as whole words.

    Case, width and other compatibility forms of letters (Unicode NFKC), accents set apart, and
    any run of spaces between words make no difference.
    """
    return bool(refused) and _pattern(tuple(refused)).search(_plain(prompt)) is not None


@lru_cache(maxsize=64)
def _pattern(refused: tuple[str, ...]) -> re.Pattern[str]:
    choices = "|".join(re.escape(_plain(words)) for words in refused)
    return re.compile(rf"(?<!\w)(?:{choices})(?!\w)")


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
