"""What is sampled, and how much of it may grow by design."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import psutil
from pymongo import MongoClient

from bench.soak.verdict import Bound
from tests.platform_under_test import PlatformUnderTest

MIB = 1024 * 1024
PARTS = ("api", "operator", "triton", "mongod", "seaweedfs", "etcd", "kube-apiserver")
# What holds records until their retention is over: documents and bytes a job.
_KEPT = {"jobs": 1.0, "ledger": 1.0, "idempotency_keys": 1.0, "webhook_deliveries": 1.0}
_BYTES_A_DOCUMENT = 4096
_BYTES_OF_INDEXES = 1024
# The stores cache what they keep: MongoDB up to its limit, etcd and the API server what was
# written since they compacted last, SeaweedFS the place of each object.
_CACHES = {"mongod", "seaweedfs", "etcd", "kube-apiserver"}
_CACHED_BYTES_A_JOB = 16 * 1024
# SeaweedFS has two files open for each volume, which here are of 64 MB, and one for some thousands
# of names of objects.
_OPEN_FILES_A_JOB = {"seaweedfs": 1 / 500}


def bound_of(name: str) -> Bound:
    """By the figure's name, `part: what` or `collection: what`."""
    of, what = name.split(": ")
    if what == "MiB":
        cached = _CACHED_BYTES_A_JOB / MIB if of in _CACHES else 0.0
        return Bound(share=0.05, slack=16, per_job=cached)
    if what in {"connections", "files"}:
        kept_open = _OPEN_FILES_A_JOB.get(of, 0.0) if what == "files" else 0.0
        return Bound(share=0.05, slack=8, per_job=kept_open)
    if what == "resources":
        # Each stays for some seconds after its end, and as many come as go.
        return Bound(share=0.2, slack=20)
    kept = _KEPT.get(of, 0.0)
    if what == "documents":
        return Bound(slack=20, per_job=kept)
    bytes_a_job = _BYTES_A_DOCUMENT if what == "bytes" else _BYTES_OF_INDEXES * 4
    return Bound(slack=256 * 1024, per_job=kept * bytes_a_job)


def figures_of(
    platform: PlatformUnderTest, client: MongoClient[dict[str, Any]]
) -> Mapping[str, float]:
    """Everything, as it is now."""
    figures: dict[str, float] = {"GenerationJobs: resources": _resources(platform)}
    for part in PARTS:
        figures |= {f"{part}: {name}": value for name, value in _of_process(platform, part).items()}
    database = client[platform.environment["IMAGERIFT_MONGO_DATABASE"]]
    for name in sorted(database.list_collection_names()):
        found = database.command("collStats", name)
        figures |= {
            f"{name}: documents": found["count"],
            f"{name}: bytes": found["size"],
            f"{name}: index bytes": found["totalIndexSize"],
        }
    return figures


def _of_process(platform: PlatformUnderTest, part: str) -> dict[str, float]:
    """Of a part and its children: a model server has a process for each instance of a model."""
    whole = {"MiB": 0.0, "connections": 0.0, "files": 0.0}
    parent = psutil.Process(platform.part(part)["pid"])
    for process in [parent, *parent.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            whole["MiB"] += process.memory_info().rss / MIB
            whole["connections"] += len(process.net_connections("tcp"))
            whole["files"] += process.num_fds()
    return whole


def _resources(platform: PlatformUnderTest) -> int:
    """As the API server counts them, which is asked for one alone."""
    namespace = platform.environment["IMAGERIFT_NAMESPACE"]
    path = f"/apis/imagerift.dev/v1/namespaces/{namespace}/generationjobs?limit=1"
    page = json.loads(platform.run("kubectl", "get", "--raw", path).stdout)
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount") or 0)
