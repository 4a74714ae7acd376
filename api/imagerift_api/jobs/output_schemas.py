"""The shapes that a job's pictures are wanted in, and the pictures, as clients see them."""

from __future__ import annotations

from typing import Annotated, Any

from imagerift_contract.values import ExportSize, OutputAspect, OutputFormat
from imagerift_core.requested_outputs import RequestedOutput
from imagerift_core.stored import SHOWN
from pydantic import Field

from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.shapes import AnswerBody, Time, Uuid

ONE_SHAPE = ("exportSize", "outputAspect", "outputFormat")
# As JSON schemas: none of them is there, and not null, beside outputs.
OUTPUTS_ALONE: list[dict[str, Any]] = [
    {
        "not": {
            "required": ["outputs", name],
            "properties": {"outputs": {"type": "array"}, name: {"type": "string"}},
        }
    }
    for name in ONE_SHAPE
]


class OutputBody(RequestBody, RequestedOutput):
    """One shape of each variation."""


def shape_faults(content: dict[str, Any]) -> list[dict[str, str]]:
    """The faults of a body that says the shape of its pictures twice."""
    outputs = content.get("outputs")
    if outputs is None:
        return []
    return [
        {"param": name, "message": f"{name} must be left out where outputs are given."}
        for name in ONE_SHAPE
        if content.get(name) is not None
    ]


class RequestedOutputObject(AnswerBody):
    """One shape of each variation."""

    aspect: Annotated[OutputAspect, SHOWN]
    size: Annotated[ExportSize, SHOWN]
    format: Annotated[OutputFormat, SHOWN]


class PictureObject(RequestedOutputObject):
    """Which of the job's pictures it is."""

    index: int
    variation: Annotated[int, Field(description="0 for the first; its seed is `seed` plus this.")]
    output: Annotated[
        int, Field(description="Place of its shape in `requestedOutputs`; 0 without them.")
    ]
    seed: int


class PartialOutputObject(PictureObject):
    """A picture that is finished while others of its job are not; it is not delivered yet."""

    thumbnail_url: Annotated[
        str,
        Field(
            description="A WebP of at most 320 pixels; signed at every read, for ten minutes. It "
            "goes where the job is canceled, fails or begins anew."
        ),
    ]
    thumbnail_url_expires_at: Time


PartialOutputs = Annotated[
    list[PartialOutputObject],
    Field(
        description="Pictures that are finished while the job runs; empty once it has ended, and "
        "where that is not known. None is charged before it succeeds."
    ),
]


class OutputObject(PictureObject):
    """One delivered picture; its URLs are signed at every read and live for ten minutes."""

    generation_id: Uuid
    width: int
    height: int
    content_type: str
    size_bytes: int
    sha256: str
    download_url: str | None
    download_url_expires_at: Time | None
    thumbnail_url: Annotated[
        str | None,
        Field(description="A WebP of at most 320 pixels; null where the model made none."),
    ]
