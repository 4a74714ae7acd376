"""What counts as a refused word."""

from __future__ import annotations

import pytest
from imagerift_core.errors import ContentRejected
from imagerift_core.generation import GenerationSpec, check_permitted
from imagerift_core.modes import load_modes
from imagerift_core.plans import load_plans
from imagerift_core.wording import holds_refused_words

REFUSED = ["grape", "Blue  Cheese"]


@pytest.mark.parametrize(
    "prompt",
    ["a grape", "GRAPE!", "the grape.", "\uff27rape", "g\u0072ape", "blue\n cheese on a plate"],
)
def test_a_refused_word_is_found_in_any_form(prompt: str) -> None:
    assert holds_refused_words(prompt, REFUSED)


@pytest.mark.parametrize("prompt", ["", "grapefruit", "a blue sky, cheese", "ungrape"])
def test_a_part_of_a_word_is_no_refused_word(prompt: str) -> None:
    assert not holds_refused_words(prompt, REFUSED)


def test_nothing_is_refused_where_no_words_are_named() -> None:
    assert not holds_refused_words("grape", [])


def test_a_mode_refuses_its_words_and_does_not_repeat_them() -> None:
    style = load_modes()["style"].model_copy(update={"refused_words": REFUSED})
    spec = GenerationSpec(mode="style", prompt="one grape")
    with pytest.raises(ContentRejected) as refused:
        check_permitted(spec, {"style": style}, load_plans()["pro"])
    assert refused.value.param == "prompt"
    assert "grape" not in refused.value.message
