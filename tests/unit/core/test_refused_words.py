"""What counts as a refused word."""

from __future__ import annotations

import pytest
from imagerift_core.errors import ContentRejected, InvalidRequest
from imagerift_core.generation import GenerationSpec, check_permitted
from imagerift_core.modes import load_modes
from imagerift_core.plans import load_plans
from imagerift_core.refused_words import contains_refused_words, is_blank

REFUSED = ["grape", "Blue  Cheese"]


@pytest.mark.parametrize(
    "prompt",
    [
        "a grape",
        "GRAPE!",
        "the grape.",
        "\uff27rape",
        "g\u0072ape",
        "blue\n cheese on a plate",
        "gr\u200bape",
        "gr\u00ad\ufe0fape",
    ],
)
def test_a_refused_word_is_found_in_any_form(prompt: str) -> None:
    assert contains_refused_words(prompt, REFUSED)


@pytest.mark.parametrize("prompt", ["", "grapefruit", "a blue sky, cheese", "ungrape"])
def test_a_part_of_a_word_is_no_refused_word(prompt: str) -> None:
    assert not contains_refused_words(prompt, REFUSED)


def test_nothing_is_refused_where_no_words_are_named() -> None:
    assert not contains_refused_words("grape", [])


def test_a_mode_refuses_its_words_and_does_not_repeat_them() -> None:
    style = load_modes()["style"].model_copy(update={"refused_words": REFUSED})
    spec = GenerationSpec(mode="style", prompt="one grape")
    with pytest.raises(ContentRejected) as refused:
        check_permitted(spec, {"style": style}, load_plans()["pro"])
    assert refused.value.param == "prompt"
    assert "grape" not in refused.value.message


@pytest.mark.parametrize(
    "prompt",
    {
        "nothing": "",
        "spaces": " \t\n\u00a0\u2003\u3000",
        "controls": "\x00\x07\x1b\x7f",
        "zero-width": "\u200b\u200c\u200d\ufeff\u2060",
        "bidi marks": "\u200e\u200f\u061c\u202a\u202e\u2066\u2069",
        "soft hyphens": "\u00ad\u00ad",
        "Hangul fillers": "\u115f\u1160\u3164\uffa0",
        "variation selectors": "\ufe0f\U000e0100\u180b",
        "tag characters": "\U000e0001\U000e0041\U000e007f",
        "joiners and vowels that are not drawn": "\u034f\u17b4\u17b5\u180e",
        "blank Braille": "\u2800",
        "all at once": " \u200b\u00ad\u3164\ufe0f ",
    }.items(),
    ids=lambda item: item[0],
)
def test_what_nobody_can_see_is_blank(prompt: tuple[str, str]) -> None:
    spec = GenerationSpec(mode="style", prompt=prompt[1])

    assert is_blank(spec.prompt)
    with pytest.raises(InvalidRequest, match="prompt is required"):
        check_permitted(spec, load_modes(), load_plans()["pro"])


@pytest.mark.parametrize(
    "prompt", [".", "\u2764\ufe0f", "\U0001faea", "a\u200b", "\u0e01", "\ue000"]
)
def test_what_is_drawn_is_no_blank(prompt: str) -> None:
    assert not is_blank(prompt)
