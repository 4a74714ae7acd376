"""Bodies for the API server."""

from __future__ import annotations

import secrets
from typing import Any

SPEC = {"mode": "style", "workspace": "ws_a", "source": {"key": "k"}, "prompt": "rain"}


def new_name() -> str:
    return f"test-{secrets.token_hex(6)}"


def job(name: str | None = None, **fields: Any) -> dict[str, Any]:
    """A GenerationJob; a field of None is left out."""
    spec = {key: value for key, value in (SPEC | fields).items() if value is not None}
    return {
        "apiVersion": "imagerift.dev/v1",
        "kind": "GenerationJob",
        "metadata": {"name": name or new_name()},
        "spec": spec,
    }
