"""How a body names the pictures that a job is made of."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

SOURCES = ("imageBase64", "imageKey", "sourceGenerationId")
STORED_SOURCES = SOURCES[1:]
MASKS = ("maskBase64", "maskKey")
# Their attributes.
PICTURES = {
    "imageBase64": "image_base64",
    "imageKey": "image_key",
    "sourceGenerationId": "source_generation_id",
    "maskBase64": "mask_base64",
    "maskKey": "mask_key",
}


def not_both(first: str, second: str) -> dict[str, Any]:
    """The JSON schema of: not both of these are there and not null."""
    given = {name: {"type": "string"} for name in (first, second)}
    return {"not": {"required": [first, second], "properties": given}}


def one_at_most(names: Iterable[str]) -> list[dict[str, Any]]:
    """The JSON schemas that together say: no two of these are there and not null."""
    return [not_both(*pair) for pair in combinations(names, 2)]


def source_faults(content: dict[str, Any], names: tuple[str, ...]) -> list[dict[str, str]]:
    """The fault of a body that names several sources; whether one is missing its mode says."""
    sent = [name for name in names if content.get(name) is not None]
    if len(sent) < 2:
        return []
    message = f"Send exactly one of {', '.join(names)}; {' and '.join(sent)} came."
    return [{"param": name, "message": message} for name in sent]


def sent_by(body: object) -> list[str]:
    """The members of a body that name a picture."""
    return [name for name, of in PICTURES.items() if getattr(body, of, None) is not None]
