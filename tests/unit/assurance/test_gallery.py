"""The gallery's photographs: enough of them, free, and with their sources stated."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from imagerift_local.settings import CHECKOUT

LISTED = tomllib.loads((CHECKOUT / "triton_models/tools/collection.toml").read_text())
GALLERY = (CHECKOUT / "docs/gallery.md").read_text()
PHOTOGRAPHS = LISTED["things"] | LISTED["people"]
# As the gallery writes each licence under which a photograph may be shown changed.
LICENCES = {
    "public domain": "public domain",
    "CC0-1.0": "CC0 1.0",
    "CC-BY-SA-3.0": "CC BY-SA 3.0",
    "CC-BY-SA-4.0": "CC BY-SA 4.0",
}


def test_many_things_and_people_are_shown() -> None:
    assert len(LISTED["things"]) >= 12
    free = {"public domain", "CC0-1.0"}
    # And the sample's portrait, which is in the public domain too.
    assert sum(person["licence"] in free for person in LISTED["people"].values()) >= 5


@pytest.mark.parametrize("photograph", PHOTOGRAPHS.values(), ids=PHOTOGRAPHS)
def test_each_is_credited_beside_the_pictures_made_of_it(photograph: dict[str, Any]) -> None:
    line = next(line for line in GALLERY.splitlines() if f"]({photograph['page']})" in line)
    assert photograph["author"] in line
    assert LICENCES[photograph["licence"]] in line
