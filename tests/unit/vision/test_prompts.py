"""A prompt's words choose the preset: what it refuses never wins, things name no look."""

import tomllib
from pathlib import Path

import pytest
from imagerift_vision.lexicon import FOLDER, ROLES, lexicon, plain
from imagerift_vision.presets import PRESETS
from imagerift_vision.prompt_wording import worded
from imagerift_vision.prompts import PromptReader

CASES = Path(__file__).with_name("prompt_cases.txt")


def cases() -> list[tuple[str, str]]:
    lines = (line for line in CASES.read_text("utf-8").splitlines() if line and line[0] != "#")
    read = (line.partition(": ") for line in lines)
    return [(prompt if prompt != '""' else "", preset) for preset, _, prompt in read]


@pytest.fixture(scope="module")
def reader() -> PromptReader:
    return PromptReader(1, PRESETS)


@pytest.mark.parametrize(("prompt", "preset"), cases())
def test_prompts_get_the_look_they_ask_for(reader: PromptReader, prompt: str, preset: str) -> None:
    choice = reader.read(prompt)
    assert choice.preset == preset, choice
    assert choice.preset not in choice.refused or choice.why in ("background", "default")


def test_the_table_is_large_and_has_every_preset() -> None:
    assert len(cases()) >= 166
    assert {preset for _, preset in cases()} == set(PRESETS)


@pytest.mark.parametrize(
    ("prompt", "reason", "words"),
    [
        ("Cinematic product photo on a CLEAN studio background", "background",
         "clean studio background"),
        ("an oil painting, please", "look", "oil painting"),
        ("rainy city at night with glowing billboards", "meaning", ""),
        ("a red mug", "default", ""),
        ("", "default", ""),
    ],
)  # fmt: skip
def test_the_choice_says_why(reader: PromptReader, prompt: str, reason: str, words: str) -> None:
    choice = reader.read(prompt)
    assert (choice.why, choice.words) == (reason, words)


def test_what_is_refused_is_told(reader: PromptReader) -> None:
    assert reader.read("no neon, blinds or noir style").refused == ("neon", "noir")


@pytest.mark.parametrize(
    "look",
    ["neon", "cinematic lighting", "black background", "oil painting", "vintage style",
     "film noir", "golden hour", "pastel colors"],
)  # fmt: skip
@pytest.mark.parametrize(
    "refusal",
    ["no {}", "without {}", "not {}", "no text, people or {}", "anything but {}", "{}-free",
     "never {}", "avoid {}", "do not use {}", "without any {}, bright", "ohne {}", "sans {}",
     "sin {}", "senza {}", "sem {}", "bez {}", "без {}", "negative prompt: blurry, {}, text"],
)  # fmt: skip
def test_no_look_wins_that_a_prompt_refuses(reader: PromptReader, look: str, refusal: str) -> None:
    assert reader.read(refusal.format(look)).preset == "studio"
    assert reader.read(f"{refusal.format(look)}. White background.").preset == "studio"


def test_a_long_prompt_and_strange_letters_are_read(reader: PromptReader) -> None:
    assert reader.read("темный люкс " * 400).preset in PRESETS
    assert reader.read("\x00\ud7ff🦆" * 50).preset in PRESETS
    assert reader.read("no neon, " * 250).preset == "studio"


def test_every_phrase_of_the_lists_is_found_where_it_stands_alone() -> None:
    """A phrase that no prompt can hold is a slip of the pen."""
    lists = lexicon()
    for path in FOLDER.glob("*.toml"):
        for kind, content in tomllib.loads(path.read_text("utf-8")).items():
            if kind in ROLES:
                continue
            tables = content if isinstance(content, dict) else {"": content}
            for key, phrases in tables.items():
                if kind in ("names", "words"):
                    assert key in PRESETS, (path.name, key)
                for phrase in phrases:
                    words = [word.split("|")[0].replace("*", "") for word in phrase.split()]
                    text = plain(" ".join(words).replace("#", "70").removeprefix("x "))
                    marks = list(lists.marks(text))
                    assert [(mark.start, mark.end) for mark in marks] == [(0, len(text))], phrase
                    assert (kind, key) in marks[0].meanings, (path.name, kind, key, phrase)


def test_line_breaks_end_a_sentence() -> None:
    assert worded("no shadows\ncinematic", lexicon()).named[0].preset == "cinematic"
