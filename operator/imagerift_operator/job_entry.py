"""What the operator keeps in memory of each live resource."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from imagerift_contract.values import DEFAULT_EXPORT_SIZE, DEFAULT_OUTPUT_ASPECT, ExportSize
from imagerift_core.jobs import JobRecord
from imagerift_core.requested_outputs import largest_size
from imagerift_core.resources import DEFAULT_TTL_SECONDS, ORIGIN_LABEL

ANY_POOL = "*"
# What jobs ask for that run as pods of their own, whatever they make.
POD_TARGET = "pods"
# Times that a hand may write into a status: what lies beyond is taken as one of these.
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
# Another version of the schema may allow more; the sum with a time must not overflow.
_LONGEST_TTL_SECONDS = 10 * 366 * 24 * 3600
ENDED_PHASES = frozenset({"Succeeded", "Failed", "Canceled"})


@dataclass(frozen=True, eq=False, slots=True)
class JobEntry:
    """One resource as last seen. `attempt` is the one last read from the record.

    Only `JobIndex` writes to it, in place, so that every part sees the change.

    `verified` says that the job's end is known from its record, not from the resource alone,
    whose status anybody with the right may have edited; `explained` that it is queued and its
    status gives a reason. `export_size` is that of its largest pictures, `of_one_size` if
    it is that of all, `of_one_aspect` if all have the same proportions.
    """

    job_id: str
    name: str
    uid: str
    by_api: bool
    workspace: str
    mode: str
    export_size: str
    units: int
    pool: str | None
    execution: str
    created_at: datetime
    ttl_seconds: int
    cancel: bool
    phase: str
    finished_at: datetime | None
    attempt: int = 0
    band: int = 0
    version: str | None = None
    verified: bool = False
    explained: bool = False
    of_one_size: bool = True
    of_one_aspect: bool = True

    @property
    def ended(self) -> bool:
        return self.phase in ENDED_PHASES

    @property
    def target(self) -> str:
        """What a pool must serve to run this job."""
        if self.execution == "Pod":
            return POD_TARGET
        whole = target_of(self.pool, self.mode, self.export_size)
        return whole if self.of_one_aspect else in_several_aspects(whole)

    @property
    def delete_at(self) -> datetime | None:
        """When an ended resource is due to go, None while it is live."""
        if not self.ended:
            return None
        return (self.finished_at or self.created_at) + timedelta(seconds=self.ttl_seconds)

    def matches(self, record: JobRecord) -> bool:
        """Whether `record` is this resource's own, and not one that its author only named."""
        return record.workspace == self.workspace and record.resource_uid in {None, self.uid}


def target_of(pool: str | None, mode: str, export_size: str) -> str:
    """A mode at a size, on the pool of this name or, without one, on any."""
    return f"{pool or ANY_POOL}/{mode}/{export_size}"


def in_several_aspects(target: str) -> str:
    """The same with pictures of several proportions, which not every model makes of one seed."""
    return f"{target}/aspects"


def entry_of(body: dict[str, Any]) -> JobEntry:
    """The entry of a resource as the watch delivers it.

    Values that the schema bounds are taken as they are; a hand-made resource is checked in
    full before it is admitted. A status may hold anything: a time that is none is not there.
    """
    metadata = body["metadata"]
    spec = body.get("spec") or {}
    status = body.get("status") or {}
    sizes = _sizes(spec)
    by_api = (metadata.get("labels") or {}).get(ORIGIN_LABEL) == "api"
    return JobEntry(
        job_id=metadata["name"] if by_api else metadata["uid"],
        name=metadata["name"],
        uid=metadata["uid"],
        by_api=by_api,
        workspace=spec.get("workspace", ""),
        mode=spec.get("mode", ""),
        export_size=largest_size(sizes),
        units=spec.get("variations", 1) * len(sizes),
        pool=spec.get("pool"),
        execution=spec.get("execution", "Pool"),
        created_at=_time(metadata.get("creationTimestamp")) or _EARLIEST,
        ttl_seconds=min(
            spec.get("ttlSecondsAfterFinished", DEFAULT_TTL_SECONDS), _LONGEST_TTL_SECONDS
        ),
        cancel=bool(spec.get("cancel")),
        phase=status.get("phase") or "Queued",
        finished_at=_time(status.get("finishedAt")),
        version=metadata.get("resourceVersion"),
        explained=status.get("phase") == "Queued" and "reason" in status,
        of_one_size=len(set(sizes)) == 1,
        of_one_aspect=len(_aspects(spec)) == 1,
    )


def _sizes(spec: dict[str, Any]) -> list[ExportSize]:
    """The size of each picture of a variation."""
    outputs = spec.get("outputs")
    if outputs:
        return [output.get("size", DEFAULT_EXPORT_SIZE) for output in outputs]
    return [spec.get("exportSize", DEFAULT_EXPORT_SIZE)]


def _aspects(spec: dict[str, Any]) -> set[str]:
    """The proportions of the pictures of a variation."""
    outputs = spec.get("outputs") or [{}]
    return {output.get("aspect", DEFAULT_OUTPUT_ASPECT) for output in outputs}


def _time(text: Any) -> datetime | None:
    """The time that `text` says, None where it says none; UTC where it names no zone."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(moment, _EARLIEST), _LATEST)
