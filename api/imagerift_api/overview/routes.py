"""GET /api/v1/account/overview: what the account page shows first."""

from __future__ import annotations

from imagerift_core.errors import ApiAccessLocked

from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation
from imagerift_api.overview.schemas import OverviewObject
from imagerift_api.overview.service import OVERVIEWS


async def get_overview(call: Call) -> OverviewObject:
    signed_in = call.signed_in
    if signed_in.plan is None:
        raise ApiAccessLocked(f"The plan '{signed_in.workspace.plan}' is not offered here.")
    return await call.app[OVERVIEWS].of(signed_in.workspace.id, signed_in.plan)


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
