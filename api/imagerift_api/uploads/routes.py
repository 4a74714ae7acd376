"""POST /api/v1/uploads."""

from __future__ import annotations

from imagerift_api.http.answers import Answer, Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.idempotency import REPLAYED, IdempotencyHeaders, request_key
from imagerift_api.http.operations import Operation
from imagerift_api.uploads.schemas import UploadBody, UploadObject
from imagerift_api.uploads.service import UPLOADS


async def make_upload(call: Call, headers: IdempotencyHeaders, body: UploadBody) -> Answer:
    caller = call.caller
    key = await request_key(headers, workspace=caller.workspace, operation="uploads", body=body)
    presigned = await call.app[UPLOADS].make(
        caller, content_type=body.content_type, size_bytes=body.size_bytes, key=key
    )
    return Answer(
        UploadObject(
            image_key=presigned.upload.id,
            url=presigned.form.url,
            fields=presigned.form.fields,
            expires_at=presigned.expires_at,
            max_bytes=presigned.upload.size_bytes,
        ),
        headers={REPLAYED: "true"} if presigned.replayed else {},
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
        errors=(
            "idempotency_in_progress",
            "idempotency_key_reused",
            "source_not_found",
            "uploads_full",
        ),
    ),
)
