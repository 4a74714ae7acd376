"""The W3C trace context of a request (Trace Context, section 3.2)."""

from __future__ import annotations

import re
import secrets

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def traceparent_of(header: str | None) -> str:
    """The caller's context where it is valid, else a new one."""
    if header is not None:
        match = _TRACEPARENT.fullmatch(header)
        if match and int(match[1], 16) and int(match[2], 16):
            return header
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
