"""One call to the Kubernetes API, and what it means when the server does not answer."""

from __future__ import annotations

from typing import Any

import aiohttp
import orjson
from kubernetes.aio.client.exceptions import ApiException

# What the API server says no with; `status` and `body` hold its words.
KubeRefused = ApiException


class KubeUnavailable(Exception):
    """The API server did not answer, or asked for patience; the same call may be made again."""


async def bounded_call(method: Any, timeout_seconds: float, **arguments: Any) -> Any:
    """One call of the client, bounded in time.

    Raises `KubeUnavailable` where the server does not answer or answers 429 or 5xx, and
    `ApiException` for any other refusal.
    """
    try:
        return await method(**arguments, _request_timeout=timeout_seconds)
    except ApiException as error:
        if error.status == 429 or error.status is None or error.status >= 500:
            raise KubeUnavailable(f"answered {error.status}") from error
        raise
    except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError) as error:
        raise KubeUnavailable(type(error).__name__) from error
