"""What administrators may send about plans and modes, and what they are answered."""

from __future__ import annotations

from typing import Any

from imagerift_core.catalogue import Offer
from imagerift_core.generation import MAX_MODE_NAME, MODE_NAME
from imagerift_core.modes import Mode
from imagerift_core.plans import Plan
from pydantic import BaseModel, ConfigDict, Field

from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.shapes import AnswerBody, Time


class OfferPath(BaseModel):
    """The path of a plan or mode."""

    name: str = Field(
        alias="name",
        description=f"Its name, as `{MODE_NAME}` with {MAX_MODE_NAME} characters at most.",
    )


class PlanBody(Plan, RequestBody):
    """The whole plan, as the installation's file has plans."""


class ModeBody(Mode, RequestBody):
    """The whole mode, as the installation's file has modes."""


class PlanContent(Plan):
    """What a workspace on it may do."""

    model_config = ConfigDict(serialize_by_alias=True)


class ModeContent(Mode):
    """What it needs, and can make."""

    model_config = ConfigDict(serialize_by_alias=True)


class _Offered(AnswerBody):
    name: str
    of_files: bool = Field(description="Whether the installation's files have one of that name.")
    changed_at: Time | None = Field(
        description="When it was last set; null for one of the files alone. One that was set "
        "stands in the place of the files' own."
    )
    retired_at: Time | None = Field(description="Since when nothing new may begin on it.")
    managed_by: str | None = Field(
        description="The resource, `namespace/name`, that says what it is to be."
    )


class AdminPlan(_Offered):
    """A plan."""

    plan: PlanContent


class AdminMode(_Offered):
    """A mode."""

    mode: ModeContent


class AdminPlanList(AnswerBody):
    """Every plan, by its name."""

    data: list[AdminPlan]


class AdminModeList(AnswerBody):
    """Every mode, by its name."""

    data: list[AdminMode]


class OfferEnded(AnswerBody):
    """What its end waits for; null where it is gone."""

    name: str
    waits_for: str | None


def common_of(offer: Offer) -> dict[str, Any]:
    """What the answer says of a plan as of a mode."""
    entry = offer.entry
    return {
        "name": offer.name,
        "of_files": offer.is_of_files,
        "changed_at": entry.changed_at if entry else None,
        "retired_at": entry.retired_at if entry else None,
        "managed_by": str(entry.managed_by) if entry and entry.managed_by else None,
    }


def plan_of(offer: Offer) -> AdminPlan:
    return AdminPlan(plan=_as(PlanContent, offer), **common_of(offer))


def mode_of(offer: Offer) -> AdminMode:
    return AdminMode(mode=_as(ModeContent, offer), **common_of(offer))


def _as(model: type[BaseModel], offer: Offer) -> Any:
    return model.model_validate(offer.content.model_dump(by_alias=True))
