"""For the shapes of answers: a `TypedDict` that the document shows to have no other members."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field, with_config

Shape = TypeVar("Shape", bound=type)

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


def closed(shape: Shape) -> Shape:
    """Marks a `typing_extensions.TypedDict`: these members and no others."""
    return with_config(ConfigDict(extra="forbid"))(shape)
