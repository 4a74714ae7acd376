"""GET /api/v1/usage."""

from __future__ import annotations

from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation
from imagerift_api.usage.schemas import UsageObject, UsageQuery
from imagerift_api.usage.service import USAGES


async def read_usage(call: Call, query: UsageQuery) -> UsageObject:
    return await call.app[USAGES].of(call.caller, query)


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/usage",
        handler=read_usage,
        name="readUsage",
        tag="Usage",
        summary="Read a period's quota, what each key was charged for, and the ledger",
        access="either",
        scope="usage:read",
        replies={200: Reply("The usage.", UsageObject)},
    ),
)
