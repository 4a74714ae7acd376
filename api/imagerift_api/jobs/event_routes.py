"""GET /api/v1/jobs/{jobId}/events: a job's states as Server-Sent Events."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import Annotated, Literal

from aiohttp import web
from aiohttp_sse import EventSourceResponse
from pydantic import BeforeValidator, Field

from imagerift_api.http.answers import Answer, Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation
from imagerift_api.http.requests import RequestHeaders
from imagerift_api.http.shapes import AnswerBody
from imagerift_api.jobs.answers import describe, finished_of, progress_of
from imagerift_api.jobs.following import FOLLOWING, state_of
from imagerift_api.jobs.job_object import JOBS_PATH
from imagerift_api.jobs.schemas import JobPath
from imagerift_api.jobs.service import JOBS
from imagerift_api.jobs.stream_limit import STREAM_LIMIT

HEARTBEAT_SECONDS = 15
EVENT = "job"
PROGRESS = "progress"
PREVIEW = "preview"
LAST_EVENT_ID = "Last-Event-ID"


def _first(values: list[str]) -> str:
    return values[0]


class EventsHeaders(RequestHeaders):
    """What a client that comes back sends."""

    last_event_id: Annotated[str | None, BeforeValidator(_first)] = Field(
        None,
        alias=LAST_EVENT_ID,
        description="The id of the last event that came. A job that has ended with it is "
        "answered 204, so that an EventSource asks no more.",
    )


class JobEvent(AnswerBody):
    """An event of the stream: `job` whenever the job has changed; the others while it runs."""

    id: Annotated[
        str | None, Field(description="What `Last-Event-ID` may name later; of `job` alone.")
    ]
    event: Literal["job", "progress", "preview"]
    data: Annotated[
        str,
        Field(
            description="JSON: of `job` the whole job object, of `progress` what stands there under"
            " this name, of `preview` a further one of its `partialOutputs`.",
            json_schema_extra={"contentMediaType": "application/json"},
        ),
    ]


async def job_events(
    call: Call, path: JobPath, headers: EventsHeaders
) -> web.StreamResponse | Answer:
    workspace = call.caller.workspace
    view = await call.app[JOBS].get(workspace, path.job_id)
    if view.record.status.terminal and headers.last_event_id == state_of(view.record):
        return Answer(status=204)
    async with call.app[STREAM_LIMIT].acquire(workspace):
        states = call.app[FOLLOWING].states(
            workspace, path.job_id, may_continue=call.may_continue, progress=True
        )
        response = EventSourceResponse(ping_interval=HEARTBEAT_SECONDS)
        # URLs in it are signed for whoever asked.
        response.headers["Cache-Control"] = "no-store"
        async with aclosing(states):
            await response.prepare(call.request)
            async with response:
                # Nobody may be left to tell.
                with suppress(ConnectionError, TimeoutError):
                    told, previewed = None, set[tuple[int, int]]()
                    async for view in states:
                        state, further = state_of(view.record), progress_of(view)
                        if state == told and further is not None:
                            await response.send(further.model_dump_json(), event=PROGRESS)
                        else:
                            told = state
                            data = describe(call, view).model_dump_json()
                            await response.send(data, id=state, event=EVENT)
                        for finished in finished_of(view):
                            # Another attempt makes them anew.
                            which = (view.record.attempt, finished.index)
                            if which not in previewed:
                                previewed.add(which)
                                await response.send(finished.model_dump_json(), event=PREVIEW)
    return response


OPERATIONS = (
    Operation(
        method="GET",
        path=JOBS_PATH + "/{job_id}/events",
        handler=job_events,
        name="jobEvents",
        tag="Jobs",
        summary="Follow a job",
        description="The job as it is, then whenever it changes; while it runs also how far it is,"
        " at most once a second, and each picture once it is finished. The stream ends with the "
        "job, or within 5 seconds once the credential no longer allows it; a comment every 15 "
        "seconds keeps it open. At most 10 streams and waits of a workspace are open at once.",
        access="either",
        scope="jobs:read",
        replies={
            200: Reply("The stream.", JobEvent, media_type="text/event-stream"),
            204: Reply("The job has ended, and its last event was seen."),
        },
        errors=("job_not_found", "too_many_streams"),
    ),
)
