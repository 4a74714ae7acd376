"""/api/v1/jobs: read one, list, cancel."""

from __future__ import annotations

from aiohttp import web

from imagerift_api import app_keys
from imagerift_api.job_object import JOBS_PATH
from imagerift_api.job_schema import JobObject, JobPageObject
from imagerift_api.openapi.operations import Operation, Reply, add_operations
from imagerift_api.requests import JobPath, ListQuery, parse_list_query, refuse_query
from imagerift_api.routes.answers import describe, job_answer, json_answer
from imagerift_api.routes.callers import admit_caller, admit_reader
from imagerift_api.services.job_reads import no_such_job


async def get_job(request: web.Request) -> web.Response:
    caller, record = await admit_reader(request, "jobs:read", request.match_info["job_id"])
    refuse_query(request.query)
    if record is None:
        raise no_such_job()
    reads = request.app[app_keys.CONTEXT].job_reads
    return job_answer(request, caller, await reads.view(record))


async def list_jobs(request: web.Request) -> web.Response:
    caller = await admit_caller(request, "jobs:read")
    query = parse_list_query(request.query)
    page = await request.app[app_keys.CONTEXT].job_reads.page(caller.workspace, query)
    return json_answer(
        {
            "data": [describe(request, view) for view in page.views],
            "nextCursor": page.next_cursor,
        }
    )


async def cancel_job(request: web.Request) -> web.Response:
    caller = await admit_caller(request, "jobs:cancel")
    refuse_query(request.query)
    context = request.app[app_keys.CONTEXT]
    record = await context.cancellations.cancel(caller.workspace, request.match_info["job_id"])
    return job_answer(request, caller, await context.job_reads.view(record))


async def delete_job(request: web.Request) -> web.Response:
    caller = await admit_caller(request, "jobs:cancel")
    refuse_query(request.query)
    deletions = request.app[app_keys.CONTEXT].deletions
    await deletions.delete(caller.workspace, request.match_info["job_id"])
    return web.Response(status=204)


_RETRY = {"Retry-After": "Seconds to wait before the next poll; until the job has ended."}
OPERATIONS = (
    Operation(
        method="GET",
        path=JOBS_PATH,
        handler=list_jobs,
        name="listJobs",
        tag="Jobs",
        summary="List jobs, newest first",
        scope="jobs:read",
        query=ListQuery,
        replies={200: Reply("A page of jobs.", JobPageObject)},
    ),
    Operation(
        method="GET",
        path=JOBS_PATH + "/{job_id}",
        handler=get_job,
        name="getJob",
        tag="Jobs",
        summary="Read a job, with fresh download URLs",
        scope="jobs:read",
        path_model=JobPath,
        replies={200: Reply("The job.", JobObject, headers=_RETRY)},
        errors=("job_not_found",),
    ),
    Operation(
        method="POST",
        path=JOBS_PATH + "/{job_id}/cancel",
        handler=cancel_job,
        name="cancelJob",
        tag="Jobs",
        summary="Cancel a job",
        description="After the 200 the job ends canceled and uncharged.",
        scope="jobs:cancel",
        path_model=JobPath,
        replies={200: Reply("The job.", JobObject, headers=_RETRY)},
        errors=("job_not_found", "job_not_cancelable"),
    ),
    Operation(
        method="DELETE",
        path=JOBS_PATH + "/{job_id}",
        handler=delete_job,
        name="deleteJob",
        tag="Jobs",
        summary="Delete a job that has ended, and every byte of it",
        description="When the answer comes, nothing of the job is left. The ledger keeps what "
        "was charged.",
        scope="jobs:cancel",
        path_model=JobPath,
        replies={204: Reply("It is gone.")},
        errors=("job_not_found", "job_not_ended"),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
