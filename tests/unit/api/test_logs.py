"""What an exception leaves in a log: its type and where it came from, never its words."""

from __future__ import annotations

from typing import Any

import pytest
from imagerift_api.logs import without_exception_text

WORDS = "https://s3.example/key?X-Amz-Signature=abc"


def raised() -> Exception:
    with pytest.raises(ValueError, match="Signature") as caught:
        raise ValueError(WORDS)
    return caught.value


@pytest.mark.parametrize("form", ["exception", "tuple"])
def test_an_exception_leaves_its_type_and_its_frames_alone(form: str) -> None:
    error = raised()
    given: Any = error if form == "exception" else (type(error), error, error.__traceback__)
    event = without_exception_text(None, "error", {"event": "broke", "exc_info": given})
    assert event["exception"] == "ValueError"
    assert [frame.rpartition(" ")[2] for frame in event["frames"]] == ["raised"]
    assert WORDS not in str(event)
    assert "exc_info" not in event


def test_a_line_without_an_exception_stays_as_it_is() -> None:
    assert without_exception_text(None, "info", {"event": "served"}) == {"event": "served"}
