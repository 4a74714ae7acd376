"""Pieces of manifests as models: names, amounts, and what all of them share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

_QUANTITY = (
    r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,2})?$"
)


def _written_out(amount: Any) -> Any:
    return str(amount) if isinstance(amount, int) and not isinstance(amount, bool) else amount


# An amount as Kubernetes spells it: "500m", "8Gi", "1e9", or an integer.
Quantity = Annotated[
    str,
    BeforeValidator(_written_out),
    Field(pattern=_QUANTITY, max_length=32),
    WithJsonSchema(
        {"type": ["integer", "string"], "minimum": 0, "maxLength": 32, "pattern": _QUANTITY}
    ),
]
Name = Annotated[str, Field(min_length=1, max_length=253)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
# An object whose inside the API server alone judges.
Free = dict[str, Any]


class Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )

    def manifest(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return self.model_dump(by_alias=True, exclude_none=True)

    def chosen(self, *names: str) -> list[str]:
        """Which of these fields are given."""
        return [name for name in names if getattr(self, name) is not None]
