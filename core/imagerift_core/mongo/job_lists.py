"""What lists of jobs ask for and hold, and the parts of records that sweeps read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.places import after_place

NEWEST_FIRST = [("created_at", -1), ("_id", -1)]


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which of a workspace's records; those after the place `before` alone, newest first."""

    workspace: str
    status: Sequence[str] = ()
    mode: str | None = None
    batch_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None
    before: tuple[datetime, str] | None = None

    def query(self) -> dict[str, Any]:
        query: dict[str, Any] = {"workspace": self.workspace}
        if self.status:
            query["status"] = {"$in": list(self.status)}
        if self.mode is not None:
            query["spec.mode"] = self.mode
        if self.batch_id is not None:
            query["batch_id"] = self.batch_id
        if self.metadata:
            pairs = self.metadata.items()
            query["$expr"] = {"$and": [_metadata_is(name, value) for name, value in pairs]}
        created: dict[str, Any] = {}
        if self.created_after is not None:
            created["$gt"] = self.created_after
        if self.created_before is not None:
            created["$lt"] = self.created_before
        if created:
            query["created_at"] = created
        if self.before is not None:
            query |= after_place(self.before, field="created_at")
        return query


@dataclass(frozen=True)
class RecordPage:
    """The records of a page that can be read, and the place after which the next page begins."""

    records: list[JobRecord]
    after: tuple[datetime, str] | None


class LiveResource(BaseModel):
    """A live job's resource, as its record names it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    job_id: str = Field(alias="_id")
    workspace: str
    name: str = Field(alias="resource_name")
    uid: str = Field(alias="resource_uid")


class ExpiredJob(BaseModel):
    """What is needed to delete a job, whatever else its record holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    workspace: str
    resource_name: str
    resource_uid: str | None = None


def _metadata_is(name: str, value: str) -> dict[str, Any]:
    """Names are the client's own, and may hold dots and dollar signs."""
    field = {"$getField": {"field": {"$literal": name}, "input": "$metadata"}}
    return {"$eq": [field, {"$literal": value}]}
