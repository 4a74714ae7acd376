"""GET /api/v1/account/overview: what the account page shows first."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.clock import rfc3339
from imagerift_core.errors import ApiAccessLocked
from imagerift_core.jobs import Status
from typing_extensions import TypedDict

from imagerift_api.openapi.calls import Call
from imagerift_api.openapi.operations import Operation, Reply, add_operations
from imagerift_api.openapi.shapes import Time, Uuid, closed
from imagerift_api.routes.private_answers import private_answer
from imagerift_api.services.account_overview import Generation


@closed
class QuotaStanding(TypedDict):
    """The period's quota in units."""

    limit: int
    charged: int
    reserved: int
    resetsAt: Time


@closed
class DayUsage(TypedDict):
    """Units charged on a UTC day."""

    date: str
    units: int


@closed
class GenerationObject(TypedDict):
    """A recent job. Its URLs, of the first output and its thumbnail, live for ten minutes."""

    jobId: Uuid
    status: Status
    mode: str
    prompt: str
    createdAt: Time
    pictures: int
    pictureUrl: str | None
    thumbnailUrl: str | None


@closed
class OverviewObject(TypedDict):
    """Quota, thirty days of use, and the newest generations."""

    quota: QuotaStanding
    days: list[DayUsage]
    generations: list[GenerationObject]


async def get_overview(call: Call) -> web.Response:
    signed_in = call.signed_in
    if signed_in.plan is None:
        raise ApiAccessLocked(f"The plan '{signed_in.workspace.plan}' is not offered here.")
    overview = await call.context.account_overview.of(signed_in.workspace.id, signed_in.plan)
    answer: OverviewObject = {
        "quota": {
            "limit": overview.limit,
            "charged": overview.charged,
            "reserved": overview.reserved,
            "resetsAt": rfc3339(overview.resets_at),
        },
        "days": [{"date": day.isoformat(), "units": units} for day, units in overview.days],
        "generations": [_generation(item) for item in overview.generations],
    }
    return private_answer(answer)


def _generation(item: Generation) -> GenerationObject:
    record = item.record
    return {
        "jobId": record.id,
        "status": record.status,
        "mode": record.spec.mode,
        "prompt": record.spec.prompt,
        "createdAt": rfc3339(record.created_at),
        "pictures": len(record.outputs),
        "pictureUrl": item.picture_url,
        "thumbnailUrl": item.thumbnail_url,
    }


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/account/overview",
        handler=get_overview,
        name="getOverview",
        tag="Account",
        summary="Quota, thirty days of use, and the newest generations",
        access="session",
        replies={200: Reply("The overview.", OverviewObject)},
        errors=("api_access_locked",),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
