"""One call to the Kubernetes API, and what it means when the server does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import orjson
from kubernetes.aio.client.exceptions import ApiException

from imagerift_core.refused_writes import count_refused_write

# What the API server says no with; `words_of` reads its words.
KubeRefused = ApiException
MAX_WORDS = 500
_READS = frozenset({"get", "list", "page", "read"})
# Part of what a call finds: the object is gone, or was changed by somebody else.
_NO_REFUSALS = frozenset({404, 409})


class KubeUnavailable(Exception):
    """The API server did not answer, or asked for patience; the same call may be made again.

    `words` are the server's own where it answered with any. Some refusals come as 500, such as
    an apply that older servers cannot merge.
    """

    def __init__(self, what: str, *, words: str | None = None) -> None:
        super().__init__(f"{what}: {words}" if words else what)
        self.words = words


def words_of(error: ApiException) -> str:
    """The API server's message as one line, cut to `MAX_WORDS` characters."""
    body = error.body or ""
    try:
        said = orjson.loads(body)["message"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        said = body if isinstance(body, str) else ""
    return " ".join(str(said or error.reason or "").split())[:MAX_WORDS]


async def bounded_call(method: Any, timeout_seconds: float, **arguments: Any) -> Any:
    """Returns what one call of the client returns, within `timeout_seconds`.

    Raises `KubeUnavailable` where the server does not answer or answers 429 or 5xx, and
    `ApiException` for any other refusal.
    """
    try:
        return await method(**arguments, _request_timeout=timeout_seconds)
    except ApiException as error:
        if error.status == 429 or error.status is None or error.status >= 500:
            raise KubeUnavailable(f"answered {error.status}", words=words_of(error)) from error
        if error.status not in _NO_REFUSALS:
            _count(method.__name__, arguments.get("plural"))
        raise
    except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError) as error:
        raise KubeUnavailable(type(error).__name__) from error


@contextmanager
def passing_over(status: int) -> Iterator[None]:
    """Takes a refusal of this status for no error: 404 of what is gone, 409 of what is there."""
    try:
        yield
    except ApiException as error:
        if error.status != status:
            raise


def _count(method: str, plural: str | None) -> None:
    """Counts a refusal of `create` with `plural`, or of such as `create_namespaced_job`."""
    verb, _, kind = method.partition("_")
    if verb not in _READS:
        count_refused_write(verb, plural or kind.removeprefix("namespaced_"))
