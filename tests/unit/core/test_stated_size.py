"""What a picture's header says of its size, before any decoder is asked."""

from __future__ import annotations

import pytest
from imagerift_contract.picture_files.stated_size import stated_pixels

from tests.unit.core.test_images import GOOD


@pytest.mark.parametrize("name", [name for name in GOOD if "tiff" not in name])
def test_every_format_but_tiff_tells_its_pixels(name: str) -> None:
    # A HEIC in tiles tells theirs beside its own; some coders fill up their last rows.
    assert 64 * 48 <= (stated_pixels(GOOD[name]) or 0) <= 64 * 64


@pytest.mark.parametrize("data", [b"", b"no picture", GOOD["png"][:20], GOOD["webp"][:25]])
def test_what_is_refused_in_no_time_has_none(data: bytes) -> None:
    assert stated_pixels(data) == 0


def test_where_the_size_is_not_looked_for_nothing_is_told() -> None:
    assert stated_pixels(GOOD["tiff"]) is None
    assert stated_pixels(GOOD["jpeg"][:100]) is None
