"""MongoDB put back from a backup that is older than etcd and S3; see docs/restore.md."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.own_shard import Shard, client_of, opened_shard
from tests.support.puppet_jobs import record_of, submit, wait_until_sent
from tests.support.server_processes import s3_client

SLOW_TO_DELETE = {"IMAGERIFT_LEASE_SECONDS": "4", "IMAGERIFT_JOB_TTL_SECONDS": "600"}
QUICK_TO_REST = {
    "IMAGERIFT_LEASE_SECONDS": "4",
    "IMAGERIFT_JOB_TTL_SECONDS": "1",
    "IMAGERIFT_COMPARE_SECONDS": "2",
    "IMAGERIFT_RECORD_GRACE_SECONDS": "1",
    "IMAGERIFT_ORPHAN_GRACE_SECONDS": "6",
}


@pytest.fixture
def installation(platform: PlatformUnderTest, tmp_path: Path) -> Iterator[Shard]:
    """A shard with a database and a bucket of its own, as every installation has."""
    name = f"restored-{secrets.token_hex(4)}"
    own = {"IMAGERIFT_MONGO_DATABASE": name, "IMAGERIFT_S3_BUCKET": name}
    apart = replace(platform, environment={**platform.administrator, **own})
    with closing(s3_client(apart.environment)) as s3:
        s3.create_bucket(Bucket=name)
        with opened_shard(apart, tmp_path) as shard:
            yield shard
            with shard.database() as database:
                database.client.drop_database(name)


def backup_of(shard: Shard) -> dict[str, list[dict[str, Any]]]:
    with shard.database() as database:
        return {name: list(database[name].find()) for name in database.list_collection_names()}


def put_back(shard: Shard, backup: dict[str, list[dict[str, Any]]]) -> None:
    with shard.database() as database:
        for name in database.list_collection_names():
            database[name].delete_many({})
        for name, documents in backup.items():
            if documents:
                database[name].insert_many(documents)


def test_after_a_restore_nothing_is_charged_twice_no_job_hangs_and_orphaned_bytes_go(
    installation: Shard, small_photo: bytes
) -> None:
    shard = installation
    api, operator = shard.api(), shard.operator(**SLOW_TO_DELETE)
    shard.wait_for_leader()
    # It has a database of its own, so its own API makes its workspaces.
    environment = {**shard.platform.environment, "IMAGERIFT_API_URL": shard.api_url}
    shard.platform = replace(shard.platform, environment=environment)
    with client_of(shard) as http:
        tenant = shard.tenant(http)
        done = submit(tenant, small_photo)
        assert tenant.wait_for(done)["status"] == "succeeded"
        running = submit(tenant, small_photo, hold=3)
        wait_until_sent(shard, running)
        operator.send(signal.SIGSTOP)
        gone, there = (submit(tenant, small_photo, seed=seed) for seed in range(2))
        wait_until(
            lambda: all(record_of(shard, job)["resource_uid"] for job in (gone, there)),
            seconds=30,
            what="their resources are known",
        )
        backup = backup_of(shard)
        operator.send(signal.SIGCONT)

        # All that follows is in etcd and in S3, and not in the backup.
        later = submit(tenant, small_photo)
        for job in (running, gone, there, later):
            assert tenant.wait_for(job)["status"] == "succeeded"
        shard.kubectl("delete", "gj", gone)
        operator.end()
        latest = submit(tenant, small_photo)
        api.end()
        assert tenant.counters()["charged"] == 5
        put_back(shard, backup)
        assert tenant.counters() == {"charged": 1, "reserved": 3, "ledger": 1}

    shard.api()
    shard.operator(**QUICK_TO_REST)
    with client_of(shard) as http:
        tenant = replace(tenant, http=http)
        assert tenant.job(done)["status"] == "succeeded"
        # Their ends are forgotten, so they are made again; one without a resource cannot be.
        for job in (running, there):
            ended = tenant.wait_for(job)
            assert ended["status"] == "succeeded"
            assert http.get(ended["downloadUrl"]).status_code == 200
        assert tenant.wait_for(gone)["status"] == "canceled"
        for job in (later, latest):
            assert tenant.request("GET", f"/api/v1/jobs/{job}").status_code == 404
        wait_until(lambda: not shard.resources(), seconds=90, what="every resource is gone")
        assert tenant.counters() == {"charged": 3, "reserved": 0, "ledger": 3}
        assert shard.platform.admin("audit")["differences"] == []
        named = keys_of(shard)
        with closing(s3_client(shard.platform.environment)) as s3:

            def only_named() -> bool:
                bucket = shard.platform.environment["IMAGERIFT_S3_BUCKET"]
                listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
                return {item["Key"] for item in listed} <= named

            wait_until(only_named, seconds=60, what="bytes that no record names are gone")
        assert tenant.wait_for(submit(tenant, small_photo))["status"] == "succeeded"


def keys_of(shard: Shard) -> set[str]:
    """Every key that a record names, and those of the thumbnails beside its outputs."""
    keys = set()
    for record in shard.records():
        keys.add(record["source"]["key"])
        for output in record["outputs"]:
            keys |= {output["key"], output.get("thumbnail_key") or output["key"]}
    return keys
