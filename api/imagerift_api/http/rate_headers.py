"""Rate headers in the form of draft-ietf-httpapi-ratelimit-headers-10, and polling advice."""

from __future__ import annotations

import math

from imagerift_core.mongo.rate_limit import WINDOW_SECONDS, RateWindow

_POLICY = '"requests"'
_LONGEST_PAUSE_SECONDS = 30


def rate_headers(window: RateWindow) -> dict[str, str]:
    """`RateLimit-Policy` (quota and window) and `RateLimit` (what is left, seconds to reset)."""
    return {
        "RateLimit-Policy": f"{_POLICY};q={window.limit};w={WINDOW_SECONDS}",
        "RateLimit": f"{_POLICY};r={window.remaining};t={window.resets_in_seconds}",
    }


def poll_after_seconds(requests_per_minute: int, eta_seconds: float | None) -> int:
    """How long to wait before the next poll.

    One job polled at this pace uses half of the plan's rate; a longer queue asks for more
    patience, up to half a minute.
    """
    shortest = math.ceil(2 * WINDOW_SECONDS / requests_per_minute)
    if eta_seconds is None:
        return shortest
    return max(shortest, min(_LONGEST_PAUSE_SECONDS, math.ceil(eta_seconds)))
