"""GET /api/v1/account/overview: what the account page shows first."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.errors import ApiAccessLocked
from imagerift_core.jobs import Status

from imagerift_api.account.overview import Generation
from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation, add_operations
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
    status: Status
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


async def get_overview(call: Call) -> OverviewObject:
    signed_in = call.signed_in
    if signed_in.plan is None:
        raise ApiAccessLocked(f"The plan '{signed_in.workspace.plan}' is not offered here.")
    overview = await call.context.account_overview.of(signed_in.workspace.id, signed_in.plan)
    return OverviewObject(
        quota=QuotaStanding(
            limit=overview.limit,
            charged=overview.charged,
            reserved=overview.reserved,
            resets_at=overview.resets_at,
        ),
        days=[DayUsage(date=day.isoformat(), units=units) for day, units in overview.days],
        generations=[_generation(item) for item in overview.generations],
    )


def _generation(item: Generation) -> GenerationObject:
    record = item.record
    return GenerationObject(
        job_id=record.id,
        status=record.status,
        mode=record.spec.mode,
        prompt=record.spec.prompt,
        created_at=record.created_at,
        pictures=len(record.outputs),
        picture_url=item.picture_url,
        thumbnail_url=item.thumbnail_url,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/account/overview",
        handler=get_overview,
        name="getOverview",
        tag="Account",
        summary="Quota, thirty days of use, and the newest generations",
        access="session",
        private=True,
        replies={200: Reply("The overview.", OverviewObject)},
        errors=("api_access_locked",),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
