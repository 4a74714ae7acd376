"""Uploads that clients make by themselves, straight to the bucket, by a presigned form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web
from imagerift_core import clock, object_keys
from imagerift_core.errors import SourceNotFound
from imagerift_core.ids import new_upload_id
from imagerift_core.mongo.idempotency import IdempotencyKeyStore, KeyTaken
from imagerift_core.mongo.uploads import Upload, UploadStore
from imagerift_core.s3 import ObjectStore, UploadForm

from imagerift_api.auth.keys import Caller
from imagerift_api.http.idempotency import RequestKey

FORM_SECONDS = 3600
# Long enough to upload at the form's last moment and to submit a day later.
UNUSED_LIFETIME = timedelta(hours=25)


@dataclass(frozen=True)
class PresignedUpload:
    """An upload with its form; `expires_at` is when the form does."""

    upload: Upload
    form: UploadForm
    expires_at: datetime
    replayed: bool


class Uploads:
    """Makes uploads for a workspace's pictures."""

    def __init__(
        self,
        uploads: UploadStore,
        idempotency_keys: IdempotencyKeyStore,
        store: ObjectStore,
        namespace: str,
    ) -> None:
        self._uploads = uploads
        self._idempotency_keys = idempotency_keys
        self._store = store
        self._namespace = namespace

    async def make(
        self, caller: Caller, *, content_type: str, size_bytes: int, key: RequestKey | None
    ) -> PresignedUpload:
        """An upload of one picture of at most so many bytes; the same one for the same key.

        Raises the errors of idempotency keys, `UploadsFull`, `SourceNotFound` where the key's
        upload has gone since, or `CapacityUnavailable`.
        """
        workspace = caller.workspace
        at = clock.now()
        if key is not None:
            before = await key.accepted_before(self._idempotency_keys, at=at)
            if before is not None:
                return await self._again(workspace, before, at)
        identifier = new_upload_id()
        upload = Upload(
            _id=identifier,
            workspace=workspace,
            namespace=self._namespace,
            key=object_keys.upload_key(workspace, identifier),
            content_type=content_type,
            size_bytes=size_bytes,
            created_at=at,
            expires_at=at + UNUSED_LIFETIME,
        )
        claim = key.claim(identifier, at=at) if key else None
        try:
            await self._uploads.create(upload, limit=caller.plan.upload_bytes, claim=claim)
        except KeyTaken as taken:
            assert key is not None  # noqa: S101 - only a claim raises it
            return await self._again(workspace, key.result_of(taken.accepted), at)
        return self._presigned(upload, at, replayed=False)

    async def _again(self, workspace: str, identifier: str, at: datetime) -> PresignedUpload:
        upload = await self._uploads.get(identifier, workspace=workspace, at=at)
        if upload is None:
            raise SourceNotFound("The upload that this key stands for has expired.")
        return self._presigned(upload, at, replayed=True)

    def _presigned(self, upload: Upload, at: datetime, *, replayed: bool) -> PresignedUpload:
        # A form must not outlive its upload.
        latest = upload.created_at + UNUSED_LIFETIME
        seconds = self._store.lifetime(
            max(1, min(FORM_SECONDS, int((latest - at).total_seconds())))
        )
        form = self._store.presign_post(
            upload.key,
            content_type=upload.content_type,
            max_bytes=upload.size_bytes,
            seconds=seconds,
        )
        return PresignedUpload(upload, form, at + timedelta(seconds=seconds), replayed)


UPLOADS = web.AppKey("uploads", Uploads)
