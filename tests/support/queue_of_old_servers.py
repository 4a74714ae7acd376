"""A queue's word on an API server before 1.22, which drops `spec.suspend` of a Job.

There it is an annotation of the Job, which these calls of the operator read in its place, and a
parallelism of none, by which the server's controller makes no pods and takes away those that there
are. All else, Jobs, Secrets and pods, is the server's own.

It needs nothing of the tests: on a node the operator's pods have this very file.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from imagerift_core.kube_job_pods import RunCalls, RunSeen

HELD = "test/held-by-the-queue"
DEADLINE = "activeDeadlineSeconds"


class Queued(RunCalls):
    """The calls of the operator, where the server cannot suspend with the queue's annotation."""

    keeps_suspend = False

    async def not_kept(self, job: dict[str, Any]) -> list[str]:
        lost = await super().not_kept(job)
        self.keeps_suspend = "spec.suspend" not in lost
        return [field for field in lost if field != "spec.suspend"]

    async def create_job(self, job: dict[str, Any]) -> str:
        annotations = {HELD: str(job["spec"]["suspend"])}
        job = job | {"metadata": job["metadata"] | {"annotations": annotations}}
        if job["spec"]["suspend"] and not self.keeps_suspend:
            # Without its own deadline, which would go on meanwhile.
            spec = {name: value for name, value in job["spec"].items() if name != DEADLINE}
            job["spec"] = spec | {"parallelism": 0}
        return await super().create_job(job)

    async def runs(self, selector: str) -> list[RunSeen]:
        seen = await super().runs(selector)
        if self.keeps_suspend:
            return seen
        listed = await self._call(self._batch.list_namespaced_job, label_selector=selector)
        held = {
            job.metadata.name
            for job in listed.items
            if (job.metadata.annotations or {}).get(HELD) == "True"
        }
        return [replace(run, suspended=run.name in held) for run in seen]


def word(*, suspended: bool, keeps_suspend: bool) -> dict[str, Any]:
    """What the queue changes of a Job to hold it, or to let it run."""
    if keeps_suspend:
        return {"spec": {"suspend": suspended}}
    return {
        "metadata": {"annotations": {HELD: str(suspended)}},
        "spec": {"parallelism": 0 if suspended else 1},
    }
