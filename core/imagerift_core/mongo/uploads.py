"""Uploads that clients make by themselves, straight to the bucket, and for how long they last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core.errors import UploadsFull
from imagerift_core.mongo.idempotency import KeyClaim
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.stored import all_readable, read


class Upload(BaseModel):
    """One file that a workspace may upload. `id` is the imageKey, `key` is in the bucket."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    workspace: str
    namespace: str
    key: str
    content_type: str
    size_bytes: int
    created_at: datetime
    expires_at: datetime


class UploadStore(Store):
    """Uploads of every workspace."""

    async def create(
        self, upload: Upload, *, limit: int | None, claim: KeyClaim | None = None
    ) -> None:
        """Stores the upload, with the row of its idempotency key in the same transaction.

        `limit` is how many bytes the workspace's uploads may take, as they were declared. Raises
        `UploadsFull` or what `KeyClaim.write` raises; then nothing is stored.
        """

        async def body(session: Session) -> None:
            if claim is not None:
                await claim.write(self._database, session)
            await self._take(session, upload, limit)
            await self._database.uploads.insert_one(
                upload.model_dump(by_alias=True), session=session
            )

        await self._database.transaction(body)

    async def get(self, upload_id: str, *, workspace: str, at: datetime) -> Upload | None:
        """The upload, None where there is none, it has expired or it is another workspace's."""
        document = await self._database.uploads.find_one(
            {"_id": upload_id, "workspace": workspace, "expires_at": {"$gt": at}}
        )
        return read(Upload, document) if document else None

    async def keep(self, upload_id: str, *, until: datetime) -> None:
        """An upload that was used lasts at least until `until`."""
        await self._database.uploads.update_one({"_id": upload_id}, {"$max": {"expires_at": until}})

    async def expired(self, *, namespace: str, at: datetime) -> list[Upload]:
        """Uploads of the shard whose time is over."""
        query = {"namespace": namespace, "expires_at": {"$lte": at}}
        return await all_readable(Upload, self._database.uploads.find(query))

    async def known(self, upload_ids: Sequence[str]) -> set[str]:
        """Those of the ids that have a row, expired or not."""
        found = self._database.uploads.find({"_id": {"$in": list(upload_ids)}}, {"_id": 1})
        return {row["_id"] async for row in found}

    async def forget(self, upload_id: str, *, at: datetime) -> None:
        """Removes an expired upload, whose bytes the caller has deleted."""

        async def body(session: Session) -> None:
            gone = await self._database.uploads.find_one_and_delete(
                {"_id": upload_id, "expires_at": {"$lte": at}}, session=session
            )
            if gone is not None:
                await self._database.upload_bytes.update_one(
                    {"_id": gone["workspace"]},
                    {"$inc": {"bytes": -int(gone["size_bytes"])}},
                    session=session,
                )

        await self._database.transaction(body)

    async def _take(self, session: Session, upload: Upload, limit: int | None) -> None:
        """Counts the upload's bytes for its workspace. Raises `UploadsFull`."""
        row = await self._database.upload_bytes.find_one_and_update(
            {"_id": upload.workspace},
            {"$inc": {"bytes": upload.size_bytes}},
            return_document=True,
            session=session,
        )
        if row is None:
            row = await self._count_anew(session, upload)
        if limit is not None and row["bytes"] > limit:
            # The transaction ends here, and takes the count back.
            raise UploadsFull(
                size=upload.size_bytes, limit=limit, kept=row["bytes"] - upload.size_bytes
            )

    async def _count_anew(self, session: Session, upload: Upload) -> dict[str, Any]:
        """The first count of a workspace: its uploads may be older than the count."""
        stored = self._database.uploads.aggregate(
            [
                {"$match": {"workspace": upload.workspace}},
                {"$group": {"_id": None, "bytes": {"$sum": "$size_bytes"}}},
            ],
            session=session,
        )
        kept = sum([int(one["bytes"]) async for one in stored])
        row = {"_id": upload.workspace, "bytes": kept + upload.size_bytes}
        await self._database.upload_bytes.insert_one(row, session=session)
        return row
