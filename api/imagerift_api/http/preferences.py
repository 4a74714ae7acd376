"""The `Prefer` header (RFC 7240), of which `wait` is taken."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from imagerift_api.http.requests import RequestHeaders

HEADER = "Prefer"
APPLIED = "Preference-Applied"
LONGEST_WAIT_SECONDS = 60
_WAIT = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?', re.IGNORECASE)


def preferred_wait(values: list[str]) -> int | None:
    """The seconds to wait, at most 60; None where no wait is asked for.

    The first wait counts, and what cannot be read is no preference (RFC 7240, section 2).
    """
    for value in values:
        for part in value.split(","):
            match = _WAIT.fullmatch(part)
            if match:
                return min(int(match[1]), LONGEST_WAIT_SECONDS) or None
    return None


class PreferHeaders(RequestHeaders):
    """The header of a request that may be answered later."""

    wait: Annotated[
        int | None,
        BeforeValidator(preferred_wait),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ] = Field(
        None,
        alias=HEADER,
        description=f"`wait=N` keeps the answer back until the job has ended, for at most N "
        f"seconds; N up to {LONGEST_WAIT_SECONDS}.",
    )
