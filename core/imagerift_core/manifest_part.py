"""Pieces of manifests as models: names, amounts, and what all of them share."""

from __future__ import annotations

from decimal import Decimal
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
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def units_of(amount: str) -> int:
    """How many whole units, such as bytes, a `Quantity` says at least."""
    for suffix, power in _BINARY.items():
        if amount.endswith(suffix):
            return int(Decimal(amount.removesuffix(suffix)) * 1024**power)
    suffix = amount[-1] if amount[-1] in _DECIMAL else ""
    # "1e9" and "1E9" end with a digit: Decimal reads both.
    return int(Decimal(amount.removesuffix(suffix)).scaleb(_DECIMAL[suffix]))


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
