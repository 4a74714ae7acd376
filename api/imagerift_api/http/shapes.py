"""For the shapes of answers: models that the document shows, and the answers are written by."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeVar

from imagerift_core.clock import rfc3339
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, with_config
from pydantic.alias_generators import to_camel

Shape = TypeVar("Shape", bound=type)

Time = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class AnswerBody(BaseModel):
    """An object in an answer: these members, in camelCase, and no others."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
    )


def closed(shape: Shape) -> Shape:
    """Marks a `typing_extensions.TypedDict`, for shapes with members that may be absent."""
    return with_config(ConfigDict(extra="forbid"))(shape)
