"""What clients may send to make an upload, and what they are answered."""

from __future__ import annotations

from typing import Annotated, Literal

from imagerift_core.images import MAX_IMAGE_BYTES
from pydantic import ConfigDict, Field

from imagerift_api.http.bodies import RequestBody, Whole
from imagerift_api.http.shapes import AnswerBody, Time


class UploadBody(RequestBody):
    """What will be uploaded."""

    model_config = ConfigDict(strict=True)

    size_bytes: Whole = Field(ge=1, le=MAX_IMAGE_BYTES, description="The file's size, or a bound.")
    content_type: Literal[
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/avif",
        "image/heic",
        # The same, as some systems name it.
        "image/heif",
        "image/gif",
        "image/tiff",
        "image/bmp",
    ]


class UploadObject(AnswerBody):
    """A place for a picture: POST `fields` and then `file` to `url` as multipart/form-data."""

    image_key: Annotated[str, Field(description="Names the picture in a submit, once uploaded.")]
    url: str
    fields: dict[str, str]
    expires_at: Annotated[Time, Field(description="Until when the form is taken.")]
    max_bytes: int
