"""What an answer means: its content, the error it tells of, and whether to ask again."""

from __future__ import annotations

from typing import Any

import httpx

from imagerift.errors import Unreachable, error_of

LONGEST_PAUSE_SECONDS = 60.0
# Pauses before a request that got no answer is sent again: 0.5 s, doubling up to 10 s.
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 10.0
_NOBODY_THERE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)
# What a proxy says while nobody is behind it.
_TIMED_OUT = 504
_GATEWAY_STATUSES = frozenset({502, 503, _TIMED_OUT})


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


def pause_after(response: httpx.Response, *, attempt: int, last: bool) -> float:
    """How long to wait before a refused request is sent again.

    Raises the refusal's `ApiError` where it is final, or `last` says that patience has ended,
    and `Unreachable` where it is not the API that answered.
    """
    status, pause = response.status_code, retry_after(response)
    problem = _json(response)
    # A 409 that asks to wait: the same submit, sent before, is being accepted at this moment. A
    # 504 of the API's own: nobody knows what became of it, and its key tells when it is sent again.
    in_doubt = status == _TIMED_OUT and isinstance(problem, dict) and problem.get("retryable")
    if (status in {409, 429, 503} or in_doubt) and pause is not None and not last:
        return min(pause, LONGEST_PAUSE_SECONDS)
    if status in _GATEWAY_STATUSES and response.request.method == "GET" and not last:
        return _backoff(attempt)
    if isinstance(problem, dict) and "code" in problem:
        raise error_of(status, problem, pause)
    if status >= 500:
        raise error_of(status, {}, pause)
    origin = response.request.url.copy_with(raw_path=b"/")
    raise Unreachable(
        f"{origin} answered {status}, and not as an ImageRift API does; is this its address?"
    )


def pause_without_answer(
    error: httpx.HTTPError, address: str, *, attempt: int, last: bool, was_there: bool
) -> float:
    """How long to wait before a request that got no answer is sent again.

    `was_there` says that the address has answered before, so that it will come back. Raises
    `Unreachable` where nobody listens there, or `last` says that patience has ended.
    """
    if last or (isinstance(error, _NOBODY_THERE) and not was_there):
        raise Unreachable(f"{address} does not answer ({type(error).__name__}).") from error
    return _backoff(attempt)


def _backoff(attempt: int) -> float:
    return min(_LONGEST_BACKOFF_SECONDS, _FIRST_PAUSE_SECONDS * float(2**attempt))


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
