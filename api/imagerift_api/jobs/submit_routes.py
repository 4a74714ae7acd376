"""POST /api/v1/generate."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing, suppress

from imagerift_core.telemetry import current_traceparent

from imagerift_api.http.answers import Answer, Reply
from imagerift_api.http.body_reading import MAX_BODY_BYTES
from imagerift_api.http.calls import Call, PendingBody
from imagerift_api.http.idempotency import REPLAYED, IdempotencyHeaders, request_key
from imagerift_api.http.operations import Operation
from imagerift_api.http.preferences import APPLIED, PreferHeaders
from imagerift_api.http.tracing import traceparent_of
from imagerift_api.jobs.answers import job_answer
from imagerift_api.jobs.drafts import RequestOrigin
from imagerift_api.jobs.following import FOLLOWING
from imagerift_api.jobs.job_object import job_path
from imagerift_api.jobs.schemas import GenerateBody, JobObject
from imagerift_api.jobs.service import JOBS, JobView
from imagerift_api.jobs.stream_limit import STREAM_LIMIT
from imagerift_api.jobs.submissions import SUBMISSIONS, Accepted, Submit

# 16 x 16 pixels: the smallest picture that is taken.
_SMALLEST_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mPY7CBFEmIY1TCqYfhqAACcNA0QTwGj"
    "hwAAAABJRU5ErkJggg=="
)
# What checks of a body, of its source and of the plan may refuse.
SUBMIT_ERRORS = (
    "quota_exhausted",
    "queue_full",
    "export_not_permitted",
    "source_not_found",
    "unsupported_image",
    "image_unreadable",
    "image_too_large",
    "content_rejected",
    "idempotency_in_progress",
    "idempotency_key_reused",
)


class SubmitHeaders(IdempotencyHeaders, PreferHeaders):
    """What a submit may say beside its body."""


async def generate(call: Call, headers: SubmitHeaders, body: PendingBody[GenerateBody]) -> Answer:
    workspace, wait = call.caller.workspace, headers.wait
    async with AsyncExitStack() as stack:
        if wait is not None:
            await stack.enter_async_context(call.app[STREAM_LIMIT].acquire(workspace))
        accepted = await _submit(call, headers, body)
        if accepted.replayed:
            view = await call.app[JOBS].get(workspace, accepted.id)
        else:
            view = JobView(accepted.records[0])
        if wait is not None:
            view = await _awaited(call, view, seconds=wait)
    ended = wait is not None and view.record.status.terminal
    shown = {"Location": job_path(accepted.id)}
    if accepted.replayed:
        shown[REPLAYED] = "true"
    if wait is not None:
        shown[APPLIED] = f"wait={wait}"
    return job_answer(call, view, status=200 if ended else 202, headers=shown)


async def _submit(
    call: Call, headers: SubmitHeaders, pending: PendingBody[GenerateBody]
) -> Accepted:
    """The body is in memory until the submit is accepted, and not while it waits."""
    async with pending.read() as body:
        key = await request_key(
            headers, workspace=call.caller.workspace, operation="generate", body=body
        )
        submit = Submit(call.caller, [body], origin_of(call), key)
        return await call.app[SUBMISSIONS].submit(submit)


async def _awaited(call: Call, view: JobView, *, seconds: int) -> JobView:
    """The job once it has ended, or as it is when the time is over."""
    states = call.app[FOLLOWING].states(
        call.caller.workspace, view.record.id, may_continue=call.may_continue
    )
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), aclosing(states):
            async for state in states:
                view = state
    return view


def origin_of(call: Call) -> RequestOrigin:
    """Where the jobs of this call come from."""
    return RequestOrigin(
        request_id=call.request_id,
        traceparent=current_traceparent()
        or traceparent_of(call.request.headers.get("traceparent")),
    )


_SHOWN = {
    "Location": "The job's address.",
    REPLAYED: "`true` where the job was accepted by an earlier request.",
    APPLIED: "The wait that was applied.",
}
OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/generate",
        handler=generate,
        name="generate",
        tag="Jobs",
        summary="Submit an image-generation job",
        description="The 202 means that the job is stored and will reach a terminal status. Send "
        "exactly one of `imageBase64`, `imageKey` and `sourceGenerationId`, but for a mode whose "
        "`takesSource` is false: none.",
        access="either",
        scope="jobs:write",
        body_examples={
            "a product in another scene": {
                "mode": "style",
                "imageBase64": _SMALLEST_PNG,
                "prompt": "cinematic product photo on a clean studio background",
                "exportSize": "base",
                "outputAspect": "source",
            },
            "a product in the shapes of a shop, an advertisement and a story": {
                "mode": "style",
                "imageBase64": _SMALLEST_PNG,
                "prompt": "cinematic product photo on a clean studio background",
                "variations": 2,
                "outputs": [
                    {"aspect": "1:1", "format": "jpeg"},
                    {"aspect": "16:9"},
                    {"aspect": "9:16"},
                ],
            },
            "a product that stays what it is in a new scene": {
                "mode": "scene",
                "imageBase64": _SMALLEST_PNG,
                "prompt": "on a wooden table, morning light",
                "negativePrompt": "neon",
                "exportSize": "2k",
            },
            "a transparent cut-out": {
                "mode": "cutout",
                "imageBase64": _SMALLEST_PNG,
                "outputFormat": "webp",
                "cutout": {"padding": 0.05, "align": "bottom", "shadow": "contact"},
            },
            "a marketplace's main image": {
                "mode": "cutout",
                "preset": "marketplace",
                "imageBase64": _SMALLEST_PNG,
                "exportSize": "2k",
                "outputFormat": "jpeg",
                "cutout": {"width": 1600, "height": 1600},
            },
        },
        max_body_bytes=MAX_BODY_BYTES,
        private=True,
        replies={
            200: Reply("The job, which ended during the wait.", JobObject, headers=_SHOWN),
            202: Reply(
                "The accepted job.",
                JobObject,
                headers=_SHOWN | {"Retry-After": "Seconds to wait before the first poll."},
            ),
        },
        errors=(*SUBMIT_ERRORS, "job_not_found", "too_many_streams"),
    ),
)
