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
    """What a workspace on this plan may do."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    api_access: bool = Field(description="Whether its workspaces may have API keys.")
    requests_per_minute: int = Field(
        ge=1, description="Requests that are let through in one UTC minute."
    )
    units_per_month: int = Field(ge=0, description="Pictures that one UTC calendar month pays for.")
    max_export: ExportSize = Field(description="The largest size of a picture.")
    band: int = Field(
        ge=0, le=9, description="Place in the queue: jobs of a higher band are served first."
    )
    concurrent_jobs: int | None = Field(
        None,
        ge=1,
        description="Jobs that may run at once; without it as many as there are slots.",
    )
    queue_units: int | None = Field(
        None, ge=1, description="Pictures that may wait or run at once; without it any number."
    )
    quota_scope: QuotaScope = Field(description="Whose the quota is: an account's, or a team's.")
    retention_days: int = Field(ge=1, description="Days for which pictures are kept.")
    upload_bytes: int | None = Field(
        10 * 2**30,
        ge=1,
        description="Bytes that uploads which are kept at once may take together; 10 GiB where it "
        "is left out.",
    )
    key_days: int | None = Field(
        None,
        ge=1,
        description="Days after which a key expires that is made without a time of its own; "
        "without it, never.",
    )

    def permits_export(self, size: ExportSize) -> bool:
        return EXPORT_LONG_EDGE[size] <= EXPORT_LONG_EDGE[self.max_export]


Plans = dict[str, Plan]
# The plan that a new account begins on.
FIRST_PLAN = "free"


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
