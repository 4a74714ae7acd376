"""Admits resources made by hand under the same rules as requests to the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from cachetools import TTLCache
from imagerift_core import quota, telemetry
from imagerift_core.clock import now
from imagerift_core.errors import (
    CapacityUnavailable,
    DomainError,
    InvalidRequest,
    PayloadTooLarge,
    SourceNotFound,
    WorkspaceNotFound,
)
from imagerift_core.generation import check_permitted, check_references, schema_version_of
from imagerift_core.ids import UPLOAD_PREFIX, new_request_id
from imagerift_core.images import MAX_IMAGE_BYTES
from imagerift_core.jobs import JobRecord, QuotaReservation, SourceImage
from imagerift_core.kube import Kube
from imagerift_core.modes import Modes
from imagerift_core.mongo import Stores
from imagerift_core.object_keys import mask_key, reference_key, source_key
from imagerift_core.plans import Plan, Plans
from imagerift_core.resources import (
    TRACEPARENT_ANNOTATION,
    WORKSPACE_BINDING_PREFIX,
    WORKSPACES_ANNOTATION,
    GenerationJobSpec,
)
from imagerift_core.s3 import ObjectStore
from pydantic import ValidationError

_BINDING_SECONDS = 10


@dataclass(frozen=True)
class _Named:
    """A picture that a resource names, the key of the job's own copy, and the spec's field."""

    image_key: str
    key: str
    param: str

    def not_found(self) -> SourceNotFound:
        return SourceNotFound("The workspace has no such picture.", param=self.param)

    def gone(self) -> SourceNotFound:
        return SourceNotFound("The picture is gone.", param=self.param)


class HandMadeAdmission:
    """Turns a hand-made GenerationJob into an admitted record, or says why not.

    The resource may only name a workspace that an administrator bound its namespace to, and a
    source that is recorded for that workspace. Its job id is the resource's uid.
    """

    def __init__(
        self,
        *,
        stores: Stores,
        store: ObjectStore,
        kube: Kube,
        plans: Plans,
        modes: Modes,
        has_job_pods: bool,
    ) -> None:
        self._stores = stores
        self._store = store
        self._kube = kube
        self._plans = plans
        self._modes = modes
        self._has_job_pods = has_job_pods
        self._binding: TTLCache[str, frozenset[str]] = TTLCache(1, _BINDING_SECONDS)

    async def admit(self, body: dict[str, Any]) -> JobRecord | None:
        """Returns the record, new or known before; None where the job was deleted meanwhile.

        Raises a `DomainError` where the resource is refused; nothing is reserved for it then.
        Raises `KubeUnavailable` or `CapacityUnavailable` where it has to be tried again.
        """
        metadata = body["metadata"]
        known = await self._stores.jobs.get(metadata["uid"])
        if known is not None:
            return known
        spec = _checked_spec(body)
        if spec.execution == "Pod" and not self._has_job_pods:
            raise InvalidRequest(
                "spec.execution: this installation runs jobs on pools only.",
                param="spec.execution",
            )
        await self._check_binding(spec.workspace)
        workspace = await self._stores.workspaces.get(spec.workspace)
        if workspace is None or workspace.plan not in self._plans:
            raise WorkspaceNotFound(f"There is no workspace '{spec.workspace}'.")
        workspace.require_not_suspended()
        plan = self._plans[workspace.plan]
        mode = check_permitted(spec.generation_spec(), self._modes, plan)
        check_references(len(spec.references or ()), spec.mode, mode.max_references)
        copies = await self._copies(spec, plan, metadata["uid"])
        record = _record(body, spec, plan, copies)
        try:
            return await self._stores.admissions.admit(
                record,
                resets_at=quota.period_end(record.created_at),
                queue_limit=plan.queue_units,
            )
        except CapacityUnavailable:
            # Nobody knows whether it was admitted: what it names has to stay.
            raise
        except DomainError:
            await self._store.delete([copy.key for copy in copies])
            raise

    async def _copies(
        self, spec: GenerationJobSpec, plan: Plan, uid: str
    ) -> tuple[SourceImage, ...]:
        """The job's own copies of source, mask and references, in this order.

        What was copied where the other cannot be is left to the sweep: an earlier try of this
        admission may be in doubt, and name it.

        Raises `SourceNotFound`, or `PayloadTooLarge` for an upload over the limit.
        """
        workspace = spec.workspace
        named = _Named(spec.source.key, source_key(workspace, uid), "source.key")
        source = await self._copied(named, workspace, plan)
        others = []
        if spec.mask is not None:
            others.append(_Named(spec.mask.key, mask_key(workspace, uid), "mask.key"))
        for position, reference in enumerate(spec.references or ()):
            key = reference_key(workspace, uid, position)
            others.append(_Named(reference.key, key, f"references.{position}.key"))
        return source, *[await self._copied(named, workspace, plan) for named in others]

    async def _copied(self, named: _Named, workspace: str, plan: Plan) -> SourceImage:
        """The job's own copy of a picture, which an upload, a job or an output may be."""
        if named.image_key.startswith(UPLOAD_PREFIX):
            return await self._copied_upload(named, workspace, plan)
        source = await self._stores.jobs.source_of(workspace=workspace, key=named.image_key)
        if source is None:
            raise named.not_found()
        copy = _own_copy(source, named)
        if not await self._store.copy(named.image_key, copy.key):
            raise named.gone()
        return copy

    async def _copied_upload(self, named: _Named, workspace: str, plan: Plan) -> SourceImage:
        at = now()
        upload = await self._stores.uploads.get(named.image_key, workspace=workspace, at=at)
        if upload is None:
            raise named.not_found()
        key = named.key
        if not await self._store.copy(upload.key, key):
            raise named.gone()
        until = at + timedelta(days=plan.retention_days)
        await self._stores.uploads.keep(upload.id, until=until)
        size = await self._store.size_of(key)
        if size is None:
            raise named.gone()
        if size > MAX_IMAGE_BYTES:
            await self._store.delete([key])
            raise PayloadTooLarge(
                f"The picture has {size} bytes; at most {MAX_IMAGE_BYTES}.", param=named.param
            )
        # Pixels never pass through here; the model opens the picture and checks it.
        return SourceImage(
            key=key,
            image_key=named.image_key,
            content_type=upload.content_type,
            size_bytes=size,
            width=None,
            height=None,
            sha256=None,
        )

    async def _check_binding(self, workspace: str) -> None:
        bound = self._binding.get("bound")
        # A refusal is for good, so it is never based on what was read some time ago.
        if bound is None or workspace not in bound:
            bound = bound_workspaces(await self._kube.namespace_annotations())
            self._binding["bound"] = bound
        if workspace not in bound:
            raise WorkspaceNotBound.of(workspace)


def bound_workspaces(annotations: dict[str, str]) -> frozenset[str]:
    """The workspaces that a namespace with these annotations is bound to."""
    listed = annotations.get(WORKSPACES_ANNOTATION, "").split(",")
    single = (
        key.removeprefix(WORKSPACE_BINDING_PREFIX)
        for key, value in annotations.items()
        if key.startswith(WORKSPACE_BINDING_PREFIX) and value == "true"
    )
    return frozenset(filter(None, [*(name.strip() for name in listed), *single]))


class WorkspaceNotBound(DomainError):
    code = "workspace_not_bound"

    @classmethod
    def of(cls, workspace: str) -> Self:
        return cls(
            f"This namespace is not bound to workspace '{workspace}'; an administrator binds "
            f"it by the namespace's annotation {WORKSPACE_BINDING_PREFIX}{workspace}=true."
        )


def _checked_spec(body: dict[str, Any]) -> GenerationJobSpec:
    """The spec, checked in full: servers before 1.25 know none of the schema's rules."""
    try:
        spec = GenerationJobSpec.model_validate(body.get("spec") or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"spec.{field}: {first['msg']}", param=f"spec.{field}") from None
    return spec


def _own_copy(source: JobRecord, named: _Named) -> SourceImage:
    """What the job's own copy of a picture will be, from the record that names it."""
    image_key = named.image_key
    for given in source.given:
        if given.key == image_key:
            return given.model_copy(update={"key": named.key, "image_key": image_key})
    (output,) = [item for item in source.outputs if item.key == image_key]
    return SourceImage(
        key=named.key,
        image_key=image_key,
        content_type=output.content_type,
        size_bytes=output.size_bytes,
        width=output.width,
        height=output.height,
        sha256=output.sha256,
    )


def _record(
    body: dict[str, Any], spec: GenerationJobSpec, plan: Plan, copies: tuple[SourceImage, ...]
) -> JobRecord:
    metadata = body["metadata"]
    at = now()
    reservation = QuotaReservation(
        counter=quota.counter_id(spec.workspace, quota.period_of(at)),
        scope=plan.quota_scope,
        limit=plan.units_per_month,
        units=spec.pictures,
        remaining=0,
        remaining_after_queue=0,
    )
    annotations = metadata.get("annotations") or {}
    making = spec.generation_spec()
    return JobRecord(
        _id=metadata["uid"],
        workspace=spec.workspace,
        request_id=new_request_id(),
        origin="kubectl",
        namespace=metadata["namespace"],
        resource_name=metadata["name"],
        resource_uid=metadata["uid"],
        backoff_limit=spec.backoff_limit,
        execution=spec.execution,
        band=plan.band,
        retention_days=plan.retention_days,
        spec=making,
        schema_version=schema_version_of(making, references=bool(spec.references)),
        source=copies[0],
        mask=copies[1] if spec.mask is not None else None,
        references=list(copies[1 if spec.mask is None else 2 :]),
        quota=reservation,
        traceparent=telemetry.checked_traceparent(annotations.get(TRACEPARENT_ANNOTATION)),
        created_at=at,
        deadline_at=at + timedelta(seconds=spec.active_deadline_seconds),
    )
