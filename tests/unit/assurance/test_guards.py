"""Each guard's code is there, once, and so are the tests that must notice where it is gone."""

from __future__ import annotations

import pytest
from imagerift_local.settings import CHECKOUT

from tests.guards.__main__ import Guard, guards


@pytest.mark.parametrize("guard", guards(), ids=lambda guard: guard.name)
def test_what_a_guard_takes_out_is_there_once(guard: Guard) -> None:
    assert (CHECKOUT / guard.file).read_text().count(guard.guard) == 1
    assert guard.without != guard.guard
    for test in guard.tests:
        assert (CHECKOUT / test.partition("::")[0]).exists(), test


@pytest.mark.parametrize("guard", guards(), ids=lambda guard: guard.name)
def test_pixel_code_is_tested_in_the_models_environment(guard: Guard) -> None:
    assert guard.models == any(test.startswith("tests/unit/vision/") for test in guard.tests)
