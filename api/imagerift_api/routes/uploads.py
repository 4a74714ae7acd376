"""POST /api/v1/uploads."""

from __future__ import annotations

from typing import Annotated, Literal

from aiohttp import web
from imagerift_core.clock import rfc3339
from imagerift_core.images import MAX_IMAGE_BYTES
from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from imagerift_api.idempotency import REPLAYED, IdempotencyHeaders, request_key
from imagerift_api.openapi.calls import Call
from imagerift_api.openapi.operations import Operation, Reply, add_operations
from imagerift_api.openapi.shapes import Time, closed
from imagerift_api.request_bodies import RequestBody, Whole
from imagerift_api.routes.answers import json_answer
from imagerift_api.services.upload_places import UploadPlace


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


@closed
class UploadObject(TypedDict):
    """A place for a picture: POST `fields` and then `file` to `url` as multipart/form-data."""

    imageKey: Annotated[str, Field(description="Names the picture in a submit, once uploaded.")]
    url: str
    fields: dict[str, str]
    expiresAt: Annotated[Time, Field(description="Until when the form is taken.")]
    maxBytes: int


async def make_upload(call: Call, headers: IdempotencyHeaders, body: UploadBody) -> web.Response:
    workspace = call.caller.workspace
    key = await request_key(headers, workspace=workspace, operation="uploads", body=body)
    place = await call.context.upload_places.make(
        workspace, content_type=body.content_type, size_bytes=body.size_bytes, key=key
    )
    response = json_answer(_described(place), status=201)
    # The form is signed for whoever asked.
    response.headers["Cache-Control"] = "no-store"
    if place.replayed:
        response.headers[REPLAYED] = "true"
    return response


def _described(place: UploadPlace) -> UploadObject:
    return {
        "imageKey": place.upload.id,
        "url": place.form.url,
        "fields": place.form.fields,
        "expiresAt": rfc3339(place.expires_at),
        "maxBytes": place.upload.size_bytes,
    }


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
