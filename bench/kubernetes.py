"""Kubernetes alone: the writes that it counted, and how many of a job's writes it can take."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from imagerift_core import clock
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.kube import Kube, connect_kube
from imagerift_core.resources import build_generation_job
from imagerift_operator.job_status import job_status

from tests.platform_under_test import PlatformUnderTest
from tests.support.job_records import make_output, make_record

NAMESPACE = "bench-bare"
WRITES = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE"})


def kubernetes_writes(platform: PlatformUnderTest, *, refused: bool = True) -> dict[str, float]:
    """Writes to GenerationJobs by verb, since the API server started, as it counts them.

    `refused`: also those that changed nothing, as one at a version that is out of date.
    """
    config = yaml.safe_load(Path(platform.environment["KUBECONFIG"]).read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
    )
    context.load_cert_chain(*certificate_files(user, platform.data))
    with urllib.request.urlopen(f"{cluster['server']}/metrics", context=context) as answer:  # noqa: S310
        text = answer.read().decode()
    counts: dict[str, float] = {}
    for labels, value in re.findall(r"^apiserver_request_total\{(.*)\} (\S+)$", text, re.MULTILINE):
        named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        counted = refused or named["code"].startswith("2")
        if named["resource"] == "generationjobs" and named["verb"] in WRITES and counted:
            counts[named["verb"]] = counts.get(named["verb"], 0) + float(value)
    return counts


def certificate_files(user: dict[str, str], folder: Path) -> tuple[str, str]:
    """The administrator's certificate and key as files, whichever way the kubeconfig holds them."""
    if "client-certificate" in user:
        return user["client-certificate"], user["client-key"]
    names = []
    for field in ("client-certificate-data", "client-key-data"):
        path = folder / f"bench-{field}.pem"
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(user[field]))
        names.append(str(path))
    return names[0], names[1]


@asynccontextmanager
async def bare_kube(platform: PlatformUnderTest, *, connections: int = 4) -> AsyncIterator[Kube]:
    """A client of a namespace of the bench's own, where no operator follows what happens."""
    platform.run("kubectl", "create", "namespace", NAMESPACE, check=False)
    kubeconfig = Path(platform.environment["KUBECONFIG"])
    async with connect_kube(kubeconfig, NAMESPACE, connections=connections) as kube:
        yield kube


async def bare_writes(platform: PlatformUnderTest, *, in_flight: int, jobs: int) -> float:
    """Jobs per second whose writes alone are made: create, the last status, delete."""
    left = iter(range(jobs))
    async with bare_kube(platform, connections=in_flight) as kube:

        async def work() -> None:
            for _ in left:
                await write_one(kube)

        await write_one(kube)
        start = time.monotonic()
        await asyncio.gather(*(work() for _ in range(in_flight)))
        return jobs / (time.monotonic() - start)


async def write_one(kube: Kube) -> None:
    """Every write of one job's resource."""
    record = ended_record(kube.namespace)
    created = await kube.create_job(build_generation_job(record))
    if created is None:
        raise RuntimeError("the name was taken")
    uid = created["metadata"]["uid"]
    await kube.patch_job_status(record.resource_name, job_status(record), uid=uid)
    await kube.delete_job(record.resource_name, uid=uid)


def ended_record(namespace: str) -> JobRecord:
    """A job that has just delivered one picture."""
    record = make_record(namespace=namespace, at=clock.now())
    at = clock.now()
    changes = {
        "status": Status.SUCCEEDED,
        "attempt": 1,
        "pool": "test",
        "outputs": [make_output(record)],
        "started_at": at,
        "completed_at": at,
    }
    return record.model_copy(update=changes)
