"""Asks the pods of downloads how far they are, at their own address."""

from __future__ import annotations

import aiohttp
from imagerift_core.weights_download.report import PORT, Progress
from pydantic import ValidationError

_TIMEOUT = aiohttp.ClientTimeout(total=2)
_MOST_BYTES = 1024


class ProgressAsker:
    """Calls go straight to the pod, never through a proxy."""

    def __init__(self, http: aiohttp.ClientSession, port: int = PORT) -> None:
        self._http = http
        self._port = port

    async def __call__(self, address: str) -> Progress | None:
        """How far the download at a pod's address is, None where it does not say."""
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{self._port}/"
        try:
            async with self._http.get(url, timeout=_TIMEOUT, allow_redirects=False) as response:
                body = await response.content.read(_MOST_BYTES)
            return Progress.model_validate_json(body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValidationError):
            return None
