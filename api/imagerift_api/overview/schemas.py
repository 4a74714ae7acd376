"""What the account page shows first, as it is answered."""

from __future__ import annotations

from typing import Annotated

from imagerift_core.jobs import Status
from imagerift_core.stored import SHOWN

from imagerift_api.http.shapes import AnswerBody, Time, Uuid


class QuotaStanding(AnswerBody):
    """The period's quota in units."""

    limit: int
    charged: int
    reserved: int
    resets_at: Time


class DayUsage(AnswerBody):
    """Units charged on a UTC day."""

    date: str
    units: int


class GenerationObject(AnswerBody):
    """A recent job. Its URLs, of the first output and its thumbnail, live for ten minutes."""

    job_id: Uuid
    status: Annotated[Status, SHOWN]
    mode: str
    prompt: str
    created_at: Time
    pictures: int
    picture_url: str | None
    thumbnail_url: str | None


class OverviewObject(AnswerBody):
    """Quota, thirty days of use, and the newest generations."""

    quota: QuotaStanding
    days: list[DayUsage]
    generations: list[GenerationObject]
