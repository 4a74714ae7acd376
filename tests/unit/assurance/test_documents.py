"""What docs/asvs.md and docs/threat-model.md say holds something is there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from imagerift_local.settings import CHECKOUT

from tests.guards.__main__ import guards

ASVS = CHECKOUT / "docs" / "asvs.md"
THREATS = CHECKOUT / "docs" / "threat-model.md"
# Requirements of levels 1 and 2 by chapter, in ASVS 5.0.0.
CHAPTERS = {
    1: (8, 19), 2: (4, 7), 3: (8, 11), 4: (2, 8), 5: (4, 5), 6: (13, 22), 7: (6, 12), 8: (4, 3),
    9: (4, 3), 10: (5, 24), 11: (3, 11), 12: (3, 6), 13: (1, 12), 14: (2, 7), 15: (3, 10),
    16: (0, 16), 17: (0, 7),
}  # fmt: skip
ROW = re.compile(
    r"^\| (?P<id>\d+\.\d+\.\d+) \| (?P<level>[12]) \| (?P<asks>[^|]+) "
    r"\| (?P<verdict>holds|n/a|not held) \|(?P<where>[^|]*)\|$"
)
FILE = re.compile(r"`((?:\.?[\w-]+/)*\.?[\w-]+(?:\.[\w.]+)?)(?:::(\w+))?`")


def rows() -> list[re.Match[str]]:
    lines = [line for line in ASVS.read_text().splitlines() if line.startswith("| ")]
    found = [(line, ROW.match(line)) for line in lines if line[2].isdigit()]
    assert [line for line, row in found if row is None] == []
    return [row for _, row in found if row is not None]


def named(text: str) -> list[tuple[Path, str | None]]:
    """The files between backticks, each with the test in it that is named."""
    return [
        (CHECKOUT / path, test or None)
        for path, test in FILE.findall(text)
        if "/" in path or "." in path
    ]


def assert_there(places: list[tuple[Path, str | None]]) -> None:
    for path, test in places:
        assert path.exists(), path
        if test is not None:
            assert f"def {test}(" in path.read_text(), f"{path}::{test}"


def attacks() -> list[list[str]]:
    """attack, what holds it, tests, guards of each row of the table."""
    text = THREATS.read_text().partition("## Attacks that were tried")[2].partition("\n## ")[0]
    cells = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    table = [[cell.strip() for cell in row] for row in cells]
    assert table[0] == ["attack", "what holds it", "test", "guard"]
    return [row for row in table[1:] if not row[0].startswith("-")]


def test_every_requirement_of_both_levels_has_its_row_once() -> None:
    found = rows()
    assert [row["id"] for row in found if Counter(r["id"] for r in found)[row["id"]] > 1] == []
    counted = Counter((int(row["id"].split(".")[0]), int(row["level"])) for row in found)
    assert {chapter: (counted[chapter, 1], counted[chapter, 2]) for chapter in CHAPTERS} == CHAPTERS
    assert (sum(a for a, _ in CHAPTERS.values()), sum(b for _, b in CHAPTERS.values())) == (70, 183)
    numbers = [[int(part) for part in row["id"].split(".")] for row in found]
    assert numbers == sorted(numbers)


def test_what_holds_names_what_it_holds_by_and_what_does_not_says_why() -> None:
    for row in rows():
        if row["verdict"] != "n/a":
            assert row["where"].strip(), row["id"]


def test_every_file_and_test_that_the_list_names_is_there() -> None:
    places = [place for row in rows() for place in named(row["where"])]
    assert len(places) > 150
    assert_there(places)


@pytest.mark.parametrize("row", attacks(), ids=lambda row: row[0][:60])
def test_an_attack_has_its_test_and_its_guards(row: list[str]) -> None:
    _attack, held, tests, kept = row
    places = named(tests)
    assert places or "**open**" in held
    assert_there(places)
    known = {guard.name for guard in guards()}
    assert set(re.findall(r'"([^"]+)"', kept)) <= known


def test_every_guard_of_the_rules_for_strangers_is_among_the_attacks() -> None:
    named_there = {name for row in attacks() for name in re.findall(r'"([^"]+)"', row[3])}
    own = {guard.name for guard in guards() if guard.invariant in {10, 16}}
    assert own <= named_there
