"""Plans are data: one JSON file, the shipped one or the installation's own."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Literal

from imagerift_contract.values import EXPORT_LONG_EDGE, ExportSize
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

QuotaScope = Literal["account", "team"]


class Plan(BaseModel):
    """What a workspace on this plan may do.

    `band` orders the queue: a higher band is served first. `concurrent_jobs` is how many jobs
    may run at once, None for as many as there are slots, and `queue_units` how many pictures may
    wait or run at once, None for any number. `requests_per_minute` counts in windows
    of one UTC minute, `units_per_month` in UTC calendar months. Uploads that are
    kept at once may take `upload_bytes` together, None for any number. A key that is made without
    a time of its own expires after `key_days`, None for never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    api_access: bool
    requests_per_minute: int = Field(ge=1)
    units_per_month: int = Field(ge=0)
    max_export: ExportSize
    band: int = Field(ge=0, le=9)
    concurrent_jobs: int | None = Field(None, ge=1)
    queue_units: int | None = Field(None, ge=1)
    quota_scope: QuotaScope
    retention_days: int = Field(ge=1)
    upload_bytes: int | None = Field(10 * 2**30, ge=1)
    key_days: int | None = Field(None, ge=1)

    def permits_export(self, size: ExportSize) -> bool:
        return EXPORT_LONG_EDGE[size] <= EXPORT_LONG_EDGE[self.max_export]


Plans = dict[str, Plan]


def load_plans(path: Path | None = None) -> Plans:
    """The plans by name, from `path` or from the file shipped with the package.

    Raises pydantic's `ValidationError`, naming plan and field, where the file is wrong.
    """
    text = (
        path.read_text()
        if path
        else resources.files("imagerift_core").joinpath("data/plans.json").read_text()
    )
    return TypeAdapter(Plans).validate_json(text)
