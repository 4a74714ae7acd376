"""Where a job's source picture comes from, and how the job gets a checked copy of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from imagerift_contract.values import MASK_TOLERANCE
from imagerift_core import clock, object_keys
from imagerift_core.errors import (
    CapacityUnavailable,
    DomainError,
    InvalidRequest,
    SourceNotFound,
)
from imagerift_core.ids import UPLOAD_PREFIX, is_job_id
from imagerift_core.images import MAX_IMAGE_BYTES, InspectedImage
from imagerift_core.jobs import SourceImage
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.uploads import UploadStore
from imagerift_core.picture_inspection import PictureInspections
from imagerift_core.s3 import ObjectStore

from imagerift_api.auth.keys import Caller
from imagerift_api.jobs.base64_text import decode_base64
from imagerift_api.jobs.kept_pictures import KeptPictures
from imagerift_api.jobs.schemas import GenerateBody, StoredSourceBody

# 16 x 16 pixels of white, a PNG: the smallest picture that is taken.
BLANK = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFElEQVR42mP4TyJgGNUwqmH4agAAr639H23ooMoA"
    "AAAASUVORK5CYII="
)
_BASE64, _MASK_BASE64 = "imageBase64", "maskBase64"
_log = structlog.get_logger()


@dataclass(frozen=True)
class InlineSource:
    """A picture that came with the request and was found readable."""

    data: bytes
    image: InspectedImage
    param: str


@dataclass(frozen=True)
class StoredSource:
    """A picture that the workspace already has. `param` is the field that named it.

    An upload (`upload_id`) that is used is kept until `keep_until`.
    """

    key: str
    param: str
    image_key: str | None
    upload_id: str | None = None
    keep_until: datetime | None = None


Source = InlineSource | StoredSource


@dataclass(frozen=True)
class JobPictures:
    """What a job is made of: its source, the caller's own matte where one was sent, and more."""

    source: Source
    mask: Source | None
    references: tuple[Source, ...] = ()


class Sources:
    """Finds sources, and stores each job's own copy."""

    def __init__(self, jobs: JobStore, uploads: UploadStore, store: ObjectStore) -> None:
        self._jobs = jobs
        self._uploads = uploads
        self._store = store
        self._inspections = PictureInspections()

    async def close(self) -> None:
        """Ends the processes in which pictures are looked at."""
        await self._inspections.close()

    async def find_all(self, caller: Caller, body: StoredSourceBody) -> JobPictures:
        """The pictures that `body` names. Nothing is stored yet; raises as `find`."""
        source, mask = await self.find(caller, body), await self._find_mask(caller, body)
        references = [
            await self._by_key(caller, key, f"referenceKeys.{position}")
            for position, key in enumerate(body.reference_keys)
        ]
        return JobPictures(source, mask, tuple(references))

    async def find(self, caller: Caller, body: StoredSourceBody) -> Source:
        """The source that `body` names; a blank one where its mode looks at none.

        Nothing is stored yet. A record, a resource and a model's request always name a source, as
        versions beside this one want it.

        Raises `InvalidRequest`, `SourceNotFound`, or what `inspect_image` raises.
        """
        workspace = caller.workspace
        if isinstance(body, GenerateBody) and body.image_base64 is not None:
            return await self._inline(workspace, body.image_base64, _BASE64)
        if body.image_key is not None:
            return await self._by_key(caller, body.image_key, "imageKey")
        if body.source_generation_id is None:
            return await self._inline(workspace, BLANK, _BASE64)
        return await self._by_generation(workspace, body.source_generation_id)

    async def _find_mask(self, caller: Caller, body: StoredSourceBody) -> Source | None:
        if isinstance(body, GenerateBody) and body.mask_base64 is not None:
            return await self._inline(caller.workspace, body.mask_base64, _MASK_BASE64)
        if body.mask_key is not None:
            return await self._by_key(caller, body.mask_key, "maskKey")
        return None

    async def keep_all(self, pictures: JobPictures, workspace: str, job_id: str) -> KeptPictures:
        """Stores the pictures under the job's own keys. Where that fails, nothing stays.

        Raises `InvalidRequest` for a mask of other proportions than the source's, `SourceNotFound`,
        or what `inspect_image` raises.
        """
        source_key = object_keys.source_key(workspace, job_id)
        source = await self._keep(pictures.source, source_key, workspace)
        mask: SourceImage | None = None
        references: list[SourceImage] = []
        try:
            if pictures.mask is not None:
                mask_key = object_keys.mask_key(workspace, job_id)
                mask = await self._keep(pictures.mask, mask_key, workspace)
                _check_proportions(source, mask, pictures.mask.param)
            for position, reference in enumerate(pictures.references):
                key = object_keys.reference_key(workspace, job_id, position)
                references.append(await self._keep(reference, key, workspace))
        except DomainError:
            kept = [source, *([mask] if mask else []), *references]
            await self.drop([each.key for each in kept])
            raise
        return KeptPictures(source, mask, references)

    async def _keep(self, source: Source, key: str, workspace: str) -> SourceImage:
        """Stores a picture under that key. Where that fails, nothing stays.

        A copy is checked after it was made, so that what was checked is what is used.
        """
        try:
            if isinstance(source, InlineSource):
                image, size = source.image, len(source.data)
                await self._store.put(key, source.data, content_type=image.content_type)
            else:
                image, size = await self._copy(source, key, workspace)
        except DomainError:
            await self.drop([key])
            raise
        return SourceImage(
            key=key,
            content_type=image.content_type,
            size_bytes=size,
            width=image.width,
            height=image.height,
            sha256=image.sha256,
            image_key=source.image_key if isinstance(source, StoredSource) else None,
        )

    async def drop(self, keys: Sequence[str]) -> None:
        """Deletes sources that no job came of; the operator sweeps what stays behind."""
        try:
            await self._store.delete(keys)
        except CapacityUnavailable as error:
            _log.warning("source_left_behind", exc_info=error)

    async def _copy(
        self, source: StoredSource, key: str, workspace: str
    ) -> tuple[InspectedImage, int]:
        if not await self._store.copy(source.key, key):
            raise _not_found(source.param)
        if source.upload_id is not None and source.keep_until is not None:
            await self._uploads.keep(source.upload_id, until=source.keep_until)
        data = await self._store.get(key, max_bytes=MAX_IMAGE_BYTES)
        if data is None:
            raise _not_found(source.param)
        image = await self._inspections.inspect(data, param=source.param, workspace=workspace)
        return image, len(data)

    async def _by_key(self, caller: Caller, key: str, param: str) -> StoredSource:
        if key.startswith(UPLOAD_PREFIX):
            return await self._by_upload(caller, key, param)
        if await self._jobs.source_of(workspace=caller.workspace, key=key) is None:
            raise _not_found(param)
        return StoredSource(key, param, key)

    async def _by_upload(self, caller: Caller, image_key: str, param: str) -> StoredSource:
        at = clock.now()
        upload = await self._uploads.get(image_key, workspace=caller.workspace, at=at)
        if upload is None:
            raise _not_found(param)
        return StoredSource(
            upload.key,
            param,
            image_key,
            upload_id=upload.id,
            keep_until=at + timedelta(days=caller.plan.retention_days),
        )

    async def _by_generation(self, workspace: str, identifier: str) -> StoredSource:
        param = "sourceGenerationId"
        if not is_job_id(identifier):
            raise _not_found(param)
        record = await self._jobs.by_generation_id(
            identifier, workspace=workspace
        ) or await self._jobs.get(identifier, workspace=workspace)
        if record is None or not record.outputs:
            raise _not_found(param)
        named = [o for o in record.outputs if o.generation_id == identifier]
        return StoredSource((named or record.outputs)[0].key, param, None)

    async def _inline(self, workspace: str, text: str, param: str) -> InlineSource:
        data = await asyncio.to_thread(decode_base64, text, param=param)
        image = await self._inspections.inspect(data, param=param, workspace=workspace)
        return InlineSource(data, image, param)


def _check_proportions(source: SourceImage, mask: SourceImage, param: str) -> None:
    """Raises `InvalidRequest` where the mask cannot lie over the source, however it is turned."""
    if not (source.width and source.height and mask.width and mask.height):
        return
    upright = source.width / source.height
    ratio = mask.width / mask.height
    if min(abs(ratio / upright - 1), abs(ratio * upright - 1)) > MASK_TOLERANCE:
        raise InvalidRequest(
            f"The mask has {mask.width} x {mask.height} pixels, the source {source.width} x "
            f"{source.height}: their proportions may differ by {MASK_TOLERANCE:.0%} at most.",
            param=param,
        )


def _not_found(param: str) -> SourceNotFound:
    return SourceNotFound("There is no such source in this workspace.", param=param)
