"""What must hold after any run, looked at from outside: ledger, bytes, records, resources."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from tests.chaos.customers import Customer
from tests.support.own_shard import Shard

TERMINAL = {"succeeded", "failed", "canceled"}


@dataclass
class Findings:
    """Every broken promise, and what was looked at."""

    broken: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.broken.append(what)


def look(shard: Shard, customers: list[Customer]) -> Findings:
    """Compares what customers were told with what the stores hold."""
    findings = Findings()
    workspaces = [customer.tenant.workspace for customer in customers]
    with shard.database() as database:
        records = {r["_id"]: r for r in database.jobs.find({"workspace": {"$in": workspaces}})}
        ledger = list(database.ledger.find({"workspace": {"$in": workspaces}}))
        counters = list(database.quota_counters.find({"workspace": {"$in": workspaces}}))
    _look_at_answers(findings, customers, records)
    _look_at_charges(findings, records, ledger, counters)
    _look_at_bytes(findings, shard, records)
    _look_at_attempts(findings, shard, records)
    findings.expect(not shard.resources(), f"resources are left: {len(shard.resources())}")
    findings.figures |= {
        "accepted": sum(len(customer.accepted) for customer in customers),
        "unanswered": sum(customer.doubted for customer in customers),
        "refused": dict(sum((c.refusals for c in customers), Counter())),
        "ended": dict(Counter(record["status"] for record in records.values())),
        "units charged": len(ledger),
        "attempts": sum(record["attempt"] for record in records.values()),
        "jobs with more than one attempt": sum(r["attempt"] > 1 for r in records.values()),
    }
    return findings


def _look_at_answers(
    findings: Findings, customers: list[Customer], records: dict[str, Any]
) -> None:
    for customer in customers:
        for job_id in customer.accepted:
            findings.expect(job_id in records, f"{job_id} was accepted and is lost")
        for job_id in customer.canceled & set(records):
            status = records[job_id]["status"]
            findings.expect(status == "canceled", f"{job_id} was canceled and is {status}")
    for job_id, record in records.items():
        findings.expect(record["status"] in TERMINAL, f"{job_id} hangs: {record['status']}")


def _look_at_charges(
    findings: Findings,
    records: dict[str, Any],
    ledger: list[dict[str, Any]],
    counters: list[dict[str, Any]],
) -> None:
    rows = Counter(row["job"] for row in ledger)
    for job_id, record in records.items():
        delivered = len(record["outputs"]) if record["status"] == "succeeded" else 0
        findings.expect(
            rows[job_id] == delivered == record["quota"]["charged_units"],
            f"{job_id} ({record['status']}): {rows[job_id]} rows for {delivered} outputs",
        )
        wanted = record["spec"]["variations"] if record["status"] == "succeeded" else 0
        findings.expect(delivered == wanted, f"{job_id} delivered {delivered} of {wanted}")
    findings.expect(set(rows) <= set(records), "the ledger names jobs that nobody knows")
    charged: dict[str, int] = defaultdict(int)
    for row in ledger:
        charged[row["counter"]] += row["units"]
    for counter in counters:
        name = counter["_id"]
        findings.expect(counter["reserved"] == 0, f"{name} still holds {counter['reserved']}")
        findings.expect(
            counter["charged"] == charged[name],
            f"{name} says {counter['charged']} charged, the ledger {charged[name]}",
        )


def _look_at_bytes(findings: Findings, shard: Shard, records: dict[str, Any]) -> None:
    variables = shard.platform.environment
    client = boto3.client(
        "s3",
        endpoint_url=variables["IMAGERIFT_S3_INTERNAL_URL"],
        aws_access_key_id=variables["IMAGERIFT_S3_ACCESS_KEY"],
        aws_secret_access_key=variables["IMAGERIFT_S3_SECRET_KEY"],
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
    )
    bucket = variables["IMAGERIFT_S3_BUCKET"]
    seen: set[str] = set()
    for record in records.values():
        for output in record["outputs"]:
            key = output["key"]
            findings.expect(key not in seen, f"{key} belongs to two outputs")
            seen.add(key)
            owner = f"workspaces/{record['workspace']}/jobs/{record['_id']}/{record['attempt']}/"
            findings.expect(key.startswith(owner), f"{key} is not of the attempt that was settled")
            try:
                body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
            except client.exceptions.NoSuchKey:
                findings.expect(False, f"{key} was charged and is not there")
                continue
            findings.expect(
                hashlib.sha256(body).hexdigest() == output["sha256"], f"{key} holds other bytes"
            )
    client.close()
    findings.figures["outputs read back"] = len(seen)


def _look_at_attempts(findings: Findings, shard: Shard, records: dict[str, Any]) -> None:
    sent = Counter(shard.triton.seen)
    for attempt, times in sent.items():
        findings.expect(times == 1, f"attempt {attempt} was sent {times} times")
    for job_id, record in records.items():
        if record["status"] == "succeeded":
            last = f"{job_id}/{record['attempt']}"
            findings.expect(sent[last] == 1, f"{last} was settled and never sent")
