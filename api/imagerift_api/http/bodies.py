"""The base of every body: what clients may write in more than one way has one form in it.

What is clear is taken, however carelessly it is written; what could mean two things is refused.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NULL = {"type": "null"}


def present(content: Any) -> Any:
    """An object without its members that are null; anything else as it is."""
    if not isinstance(content, dict):
        return content
    return {name: value for name, value in content.items() if value is not None}


def plain_id(value: Any) -> Any:
    """A UUID in lower case; anything else as it is, since other ids mean their letters' case."""
    return value.lower() if isinstance(value, str) and _UUID.fullmatch(value) else value


def _whole(value: Any) -> Any:
    """JSON knows no integers: 8.0 is 8."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
GenerationId = Annotated[str, BeforeValidator(plain_id)]


class RequestBody(BaseModel):
    """A JSON object in which null stands for absent, and unknown fields are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        known = {field.alias for field in cls.model_fields.values()}
        # What is unknown is refused, whatever its value.
        return {
            name: value for name, value in content.items() if value is not None or name not in known
        }

    @classmethod
    def faults_between_fields(cls, _content: dict[str, Any]) -> list[dict[str, str]]:
        """What is wrong with a body although each of its fields may be right."""
        return []

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Shows that whatever may be absent may be null."""
        shown = handler(core_schema)
        schema = handler.resolve_ref_schema(shown)
        required = schema.get("required", [])
        for name, field in schema.get("properties", {}).items():
            if name not in required:
                schema["properties"][name] = _or_null(field)
        return shown


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("additionalProperties"), dict):
        schema = schema | {"additionalProperties": _or_null(schema["additionalProperties"])}
    if _NULL in schema.get("anyOf", []):
        return schema
    about = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    value = {key: entry for key, entry in schema.items() if key not in about}
    return about | {"anyOf": [value, _NULL]}
