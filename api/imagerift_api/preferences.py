"""The `Prefer` header (RFC 7240), of which `wait` is taken."""

from __future__ import annotations

import re

from multidict import MultiMapping
from pydantic import BaseModel, Field

HEADER = "Prefer"
APPLIED = "Preference-Applied"
LONGEST_WAIT_SECONDS = 60
_WAIT = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?', re.IGNORECASE)


class PreferHeaders(BaseModel):
    """The header of a request that may be answered later."""

    prefer: str | None = Field(
        None,
        alias=HEADER,
        description=f"`wait=N` keeps the answer back until the job has ended, for at most N "
        f"seconds; N up to {LONGEST_WAIT_SECONDS}.",
    )


def preferred_wait(headers: MultiMapping[str]) -> int | None:
    """The seconds to wait, at most 60; None where no wait is asked for.

    The first wait counts, and what cannot be read is no preference (RFC 7240, section 2).
    """
    for value in headers.getall(HEADER, []):
        for part in value.split(","):
            match = _WAIT.fullmatch(part)
            if match:
                return min(int(match[1]), LONGEST_WAIT_SECONDS) or None
    return None
