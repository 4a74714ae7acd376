"""A prompt's meaning chooses the preset."""

import pytest
from imagerift_vision.presets import PRESETS
from imagerift_vision.prompts import PromptReader


@pytest.fixture(scope="module")
def reader() -> PromptReader:
    return PromptReader(1, PRESETS)


@pytest.mark.parametrize(
    ("prompt", "preset"),
    [
        ("", "studio"),
        ("   ", "studio"),
        ("on a clean white background for our shop", "studio"),
        ("cinematic product photo on a clean studio background", "cinematic"),
        ("make it look like Van Gogh painted it", "oil"),
        ("like a watercolour in a children's book", "watercolor"),
        ("sneaker at dusk in Tokyo with glowing signs", "neon"),
        ("old polaroid from my childhood", "vintage"),
        ("expensive watch ad", "luxury_dark"),
        ("sunny beach evening", "golden_hour"),
        ("black & white, hard shadows", "noir"),
        ("soft candy colours", "pastel"),
        ("drawn with a pencil", "sketch"),
        ("among green leaves in a garden", "nature"),
        # The words of a look inside other words name nothing.
        ("movies are fine but retrofit this valve for the catalog", "studio"),
    ],
)
def test_prompts_get_the_look_they_ask_for(reader: PromptReader, prompt: str, preset: str) -> None:
    assert reader.choose(prompt).preset == preset


def test_a_long_prompt_and_strange_letters_are_read(reader: PromptReader) -> None:
    assert reader.choose("темный люкс " * 400).preset in PRESETS
    assert reader.choose("\x00\ud7ff🦆" * 50).preset in PRESETS
