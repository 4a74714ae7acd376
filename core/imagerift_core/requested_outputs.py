"""The shapes in which one job is to make each of its variations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from imagerift_contract.values import (
    DEFAULT_EXPORT_SIZE,
    DEFAULT_OUTPUT_ASPECT,
    DEFAULT_OUTPUT_FORMAT,
    EXPORT_LONG_EDGE,
    MAX_OUTPUTS,
    ExportSize,
    OutputAspect,
    OutputFormat,
)
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from imagerift_core.stored import KEPT, known_members


class RequestedOutput(BaseModel):
    """One shape of each variation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    aspect: Annotated[OutputAspect, KEPT] = Field(
        DEFAULT_OUTPUT_ASPECT, description="Width to height; source keeps the source's own."
    )
    size: Annotated[ExportSize, KEPT] = Field(
        DEFAULT_EXPORT_SIZE, description="Long edge; the plan says up to which."
    )
    format: Annotated[OutputFormat, KEPT] = Field(DEFAULT_OUTPUT_FORMAT, description="File format.")

    @model_validator(mode="before")
    @classmethod
    def _pass_over_unknown(cls, content: Any, info: ValidationInfo) -> Any:
        return known_members(cls, content, info)


Output = TypeVar("Output", bound=RequestedOutput)


def each_once(outputs: list[Output]) -> list[Output]:
    """The outputs as they are. Raises `ValueError` where two are the same."""
    for index, output in enumerate(outputs):
        if output in outputs[:index]:
            raise ValueError(f"Entry {index} is the same as entry {outputs.index(output)}")
    return outputs


RequestedOutputs = Annotated[
    list[RequestedOutput],
    Field(min_length=1, max_length=MAX_OUTPUTS),
    AfterValidator(each_once),
]


def largest_size(sizes: Sequence[ExportSize]) -> ExportSize:
    """The one with the longest edge; a word that only another version knows counts as none."""
    return max(sizes, key=lambda size: EXPORT_LONG_EDGE.get(size, 0))
