"""Probes: alive, and ready for requests."""

from __future__ import annotations

from typing import Literal

from imagerift_api.health.service import READINESS
from imagerift_api.http.answers import Answer, Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation
from imagerift_api.http.shapes import AnswerBody


class Alive(AnswerBody, extra="ignore"):
    """The process answers."""

    status: Literal["ok"]


class Ready(AnswerBody, extra="ignore"):
    """Whether the process can take requests, and which part answers."""

    status: Literal["ready", "not_ready"]
    parts: dict[str, bool]


async def healthz(_call: Call) -> Alive:
    return Alive(status="ok")


async def readyz(call: Call) -> Answer:
    parts = await call.app[READINESS].check()
    if all(parts.values()):
        return Answer(Ready(status="ready", parts=parts))
    return Answer(Ready(status="not_ready", parts=parts), status=503)


OPERATIONS = (
    Operation(
        method="GET",
        path="/healthz",
        handler=healthz,
        name="healthz",
        tag="Operation",
        summary="Whether the process is alive",
        access="open",
        any_query=True,
        replies={200: Reply("It is.", Alive)},
    ),
    Operation(
        method="GET",
        path="/readyz",
        handler=readyz,
        name="readyz",
        tag="Operation",
        summary="Whether the process can take requests",
        access="open",
        any_query=True,
        replies={
            200: Reply("It can.", Ready),
            503: Reply("A part that is needed does not answer.", Ready),
        },
    ),
)
