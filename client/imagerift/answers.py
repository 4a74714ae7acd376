"""What an answer means: its content, the error it tells of, and whether to ask again."""

from __future__ import annotations

from typing import Any

import httpx

from imagerift.errors import Unreachable, error_of

LONGEST_PAUSE_SECONDS = 60.0
# Pauses before a request that got no answer is sent again: 0.5 s, doubling.
_FIRST_PAUSE_SECONDS = 0.5
_NOBODY_THERE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)


def retry_after(response: httpx.Response) -> float | None:
    """The seconds that the answer asks to wait."""
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def content_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer. Raises `Unreachable` where it holds none."""
    content = _json(response)
    if not isinstance(content, dict):
        raise Unreachable("The answer is not a JSON object; is this an ImageRift address?")
    return content


def pause_after(response: httpx.Response, *, last: bool) -> float:
    """How long to wait before a refused request is sent again.

    Raises the refusal's `ApiError` where it is final, or `last` says that patience has ended.
    """
    pause = retry_after(response)
    # A 409 that asks to wait: the same submit, sent before, is being accepted at this moment.
    if response.status_code not in {409, 429, 503} or pause is None or last:
        problem = _json(response)
        known = problem if isinstance(problem, dict) else {}
        raise error_of(response.status_code, known, pause)
    return min(pause, LONGEST_PAUSE_SECONDS)


def pause_without_answer(
    error: httpx.HTTPError, address: str, *, attempt: int, last: bool
) -> float:
    """How long to wait before a request that got no answer is sent again.

    Raises `Unreachable` where nobody listens there, or `last` says that patience has ended.
    """
    if last or isinstance(error, _NOBODY_THERE):
        raise Unreachable(f"{address} does not answer ({type(error).__name__}).") from error
    return _FIRST_PAUSE_SECONDS * float(2**attempt)


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
