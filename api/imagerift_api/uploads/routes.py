"""POST /api/v1/uploads."""

from __future__ import annotations

from typing import Annotated, Literal

from aiohttp import web
from imagerift_core.images import MAX_IMAGE_BYTES
from pydantic import ConfigDict, Field

from imagerift_api.http.answers import Answer, Reply
from imagerift_api.http.bodies import RequestBody, Whole
from imagerift_api.http.calls import Call
from imagerift_api.http.idempotency import REPLAYED, IdempotencyHeaders, request_key
from imagerift_api.http.operations import Operation, add_operations
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


async def make_upload(call: Call, headers: IdempotencyHeaders, body: UploadBody) -> Answer:
    workspace = call.caller.workspace
    key = await request_key(headers, workspace=workspace, operation="uploads", body=body)
    place = await call.context.upload_places.make(
        workspace, content_type=body.content_type, size_bytes=body.size_bytes, key=key
    )
    return Answer(
        UploadObject(
            image_key=place.upload.id,
            url=place.form.url,
            fields=place.form.fields,
            expires_at=place.expires_at,
            max_bytes=place.upload.size_bytes,
        ),
        headers={REPLAYED: "true"} if place.replayed else {},
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/uploads",
        handler=make_upload,
        name="makeUpload",
        tag="Uploads",
        summary="Make a place for a picture, and a form to upload it by",
        description="The picture goes straight to the object store. Every job that names the "
        "`imageKey` gets a checked copy of its own; an upload that no job used is deleted a day "
        "later.",
        access="either",
        scope="uploads:write",
        body_example={"sizeBytes": 1_048_576, "contentType": "image/jpeg"},
        # The form is signed for whoever asked.
        private=True,
        replies={
            201: Reply(
                "The place and its form.",
                UploadObject,
                headers={REPLAYED: "`true` where the place was made by an earlier request."},
            )
        },
        errors=("idempotency_in_progress", "idempotency_key_reused", "source_not_found"),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
