"""/api/v1/jobs: read one, list, cancel."""

from __future__ import annotations

from imagerift_api.http.answers import Answer, Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation
from imagerift_api.jobs.answers import describe, job_answer
from imagerift_api.jobs.job_object import JOBS_PATH
from imagerift_api.jobs.schemas import JobObject, JobPageObject, JobPath, ListQuery
from imagerift_api.jobs.service import JOBS, POLLED_JOB, count_and_read_job


async def get_job(call: Call, path: JobPath) -> Answer:
    record, jobs = call.request[POLLED_JOB], call.app[JOBS]
    if record is None:
        return job_answer(call, await jobs.get(call.caller.workspace, path.job_id))
    return job_answer(call, await jobs.view(record))


async def list_jobs(call: Call, query: ListQuery) -> JobPageObject:
    page = await call.app[JOBS].page(call.caller.workspace, query)
    return JobPageObject(
        data=[describe(call, view) for view in page.views], next_cursor=page.next_cursor
    )


async def cancel_job(call: Call, path: JobPath) -> Answer:
    record = await call.app[JOBS].cancel(call.caller.workspace, path.job_id)
    return job_answer(call, await call.app[JOBS].view(record))


async def delete_job(call: Call, path: JobPath) -> None:
    await call.app[JOBS].delete(call.caller.workspace, path.job_id)


_RETRY = {"Retry-After": "Seconds to wait before the next poll; until the job has ended."}
OPERATIONS = (
    Operation(
        method="GET",
        path=JOBS_PATH,
        handler=list_jobs,
        name="listJobs",
        tag="Jobs",
        summary="List jobs, newest first",
        access="either",
        scope="jobs:read",
        replies={200: Reply("A page of jobs.", JobPageObject)},
    ),
    Operation(
        method="GET",
        path=JOBS_PATH + "/{job_id}",
        handler=get_job,
        name="getJob",
        tag="Jobs",
        summary="Read a job, with fresh download URLs",
        access="either",
        scope="jobs:read",
        count=count_and_read_job,
        private=True,
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
        access="either",
        scope="jobs:cancel",
        private=True,
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
        access="either",
        scope="jobs:cancel",
        replies={204: Reply("It is gone.")},
        errors=("job_not_found", "job_not_ended"),
    ),
)
