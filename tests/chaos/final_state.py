"""Reads what the stores hold once everything has come to rest."""

from __future__ import annotations

import hashlib
from collections import Counter as Counts
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.chaos.history import Counter, FinalState, Job
from tests.support.own_shard import Shard
from tests.support.server_processes import s3_client


def read(shard: Shard, workspaces: Iterable[str]) -> FinalState:
    """The records, charges, objects, webhooks and resources of these workspaces."""
    theirs = {"workspace": {"$in": sorted(workspaces)}}
    with shard.database() as database:
        jobs = [_job(record) for record in database.jobs.find(theirs)]
        ledger = list(database.ledger.find(theirs))
        counters = list(database.quota_counters.find(theirs))
        messages = Counts(
            row["job"] for row in database.webhook_deliveries.find(theirs, {"job": 1})
        )
    in_ledger: Counts[str] = Counts()
    for row in ledger:
        in_ledger[row["counter"]] += row["units"]
    return FinalState(
        jobs={job.id: job for job in jobs},
        ledger=Counts(row["job"] for row in ledger),
        counters={
            row["_id"]: Counter(row["reserved"], row["charged"], in_ledger[row["_id"]])
            for row in counters
        },
        bucket=dict(_digests(shard, [key for job in jobs for key in job.outputs])),
        messages=messages,
        sent=Counts(shard.triton.seen),
        resources=[item["metadata"]["name"] for item in shard.resources()],
    )


def _job(record: dict[str, Any]) -> Job:
    return Job(
        id=record["_id"],
        workspace=record["workspace"],
        mark=record.get("metadata", {}).get("mark", ""),
        status=record["status"],
        variations=record["spec"]["variations"],
        attempt=record["attempt"],
        charged_units=record["quota"]["charged_units"],
        outputs={output["key"]: output["sha256"] for output in record["outputs"]},
        hooked=record.get("webhook_url") is not None,
    )


def _digests(shard: Shard, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The digest of each object that is there."""
    with bucket_of(shard) as (client, bucket):
        for key in keys:
            try:
                body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
            except client.exceptions.NoSuchKey:
                continue
            yield key, hashlib.sha256(body).hexdigest()


@contextmanager
def bucket_of(shard: Shard) -> Iterator[tuple[Any, str]]:
    """An administrator's client of the object store itself, and the bucket's name."""
    variables = shard.platform.administrator
    client = s3_client(variables)
    try:
        yield client, variables["IMAGERIFT_S3_BUCKET"]
    finally:
        client.close()
