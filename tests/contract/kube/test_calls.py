"""Calls on one namespace: each answers what it promises, and repeating one changes nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from imagerift_core.kube import Kube
from imagerift_core.mongo.scheduler_snapshot import QueuePosition
from imagerift_core.resources import build_generation_job
from imagerift_operator.job_status import queue_place
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from tests.contract.kube.bodies import job, new_name
from tests.support.job_records import make_record


async def created(kube: Kube, **fields: Any) -> dict[str, Any]:
    resource = await kube.create_job(job(**fields))
    assert resource is not None
    return resource


async def test_what_is_built_from_a_record_is_taken(kube: Kube) -> None:
    record = make_record(
        namespace=kube.namespace,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    body = build_generation_job(record)
    resource = await kube.create_job(body)
    assert resource is not None
    assert resource["metadata"]["name"] == record.id
    assert resource["spec"].items() >= body["spec"].items()
    assert resource["metadata"]["annotations"] == body["metadata"]["annotations"]
    assert resource["metadata"].get("finalizers") is None


async def test_a_name_is_created_once(kube: Kube) -> None:
    body = job()
    outcomes = await asyncio.gather(*(kube.create_job(body) for _ in range(10)))
    (winner,) = [outcome for outcome in outcomes if outcome is not None]
    stored = await kube.get_job(body["metadata"]["name"])
    assert stored is not None
    assert stored["metadata"]["uid"] == winner["metadata"]["uid"]


async def test_a_job_that_is_gone_reads_as_none(kube: Kube) -> None:
    assert await kube.get_job(new_name()) is None


async def test_every_job_is_listed_page_by_page(
    kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagerift_core.kube._LIST_PAGE", 3)
    names = {(await created(kube))["metadata"]["name"] for _ in range(10)}
    listed = [item["metadata"]["name"] async for item in kube.list_jobs()]
    assert len(listed) == len(set(listed))
    assert names <= set(listed)


async def test_a_status_is_written_whole_and_the_spec_stays(kube: Kube) -> None:
    resource = await created(kube)
    name, uid = resource["metadata"]["name"], resource["metadata"]["uid"]
    for status in ({"phase": "Queued", "attempts": 1}, {"phase": "Running", "pool": "default"}):
        patched = await kube.patch_job_status(name, status, uid=uid)
        assert patched is not None
        assert patched["status"] == status
    assert patched is not None
    assert patched["spec"] == resource["spec"]
    assert patched["metadata"]["generation"] == resource["metadata"]["generation"] == 1


async def test_a_status_for_one_version_is_written_on_no_other(kube: Kube) -> None:
    resource = await created(kube)
    metadata = resource["metadata"]
    name, uid, version = metadata["name"], metadata["uid"], metadata["resourceVersion"]
    queue_position = QueuePosition(position=3, eta_seconds=90, reason="pool_unavailable")
    place = queue_place(queue_position, at=datetime(2026, 11, 28, 12, 0, tzinfo=UTC))
    # The schema takes the place away neither whole nor in part.
    waiting = {"phase": "Queued", "reason": "PoolUnavailable", "queue": place}
    first = await kube.patch_unchanged_job_status(name, waiting, uid=uid, version=version)
    assert first is not None and first["status"] == waiting
    await kube.patch_job_status(name, {"phase": "Succeeded"}, uid=uid)
    stale = first["metadata"]["resourceVersion"]
    assert await kube.patch_unchanged_job_status(name, waiting, uid=uid, version=stale) is None
    stored = await kube.get_job(name)
    assert stored is not None and stored["status"] == {"phase": "Succeeded"}
    await kube.delete_job(name, uid=uid)
    assert await kube.patch_unchanged_job_status(name, waiting, uid=uid, version=stale) is None


async def test_a_pool_without_a_status_gets_one(
    kube: Kube, administrator: client.ApiClient
) -> None:
    pool = await client.CustomObjectsApi(administrator).create_namespaced_custom_object(
        "imagerift.dev",
        "v1",
        kube.namespace,
        "tritonpools",
        {
            "apiVersion": "imagerift.dev/v1",
            "kind": "TritonPool",
            "metadata": {"name": new_name()},
            "spec": {"endpoint": "http://10.0.0.7:8000", "modes": ["style"]},
        },
    )
    name, uid = pool["metadata"]["name"], pool["metadata"]["uid"]
    status = {"readyReplicas": 1, "slots": 2, "readyModels": ["generate"]}
    patched = await kube.patch_pool_status(name, status, uid=uid)
    assert patched is not None
    assert patched["status"] == status
    assert await kube.patch_pool_status(name, {"slots": 9}, uid="another") is None


async def test_a_status_is_written_by_the_status_subresource_alone(kube: Kube) -> None:
    body = job() | {"status": {"phase": "Succeeded", "attempts": 7}}
    resource = await kube.create_job(body)
    assert resource is not None
    assert "attempts" not in resource.get("status", {})


async def test_a_job_that_nobody_has_touched_reads_as_queued(kube: Kube) -> None:
    resource = await created(kube)
    stored = await kube.get_job(resource["metadata"]["name"])
    assert stored is not None
    assert stored["status"] == {"phase": "Queued"}


async def test_a_status_is_written_whatever_version_was_seen_last(kube: Kube) -> None:
    seen = (await created(kube))["metadata"]
    name, uid, version = seen["name"], seen["uid"], seen["resourceVersion"]
    for phase in ("Running", "Succeeded"):
        # The second time the version is out of date.
        written = await kube.patch_job_status(name, {"phase": phase}, uid=uid, version=version)
        assert written is not None
        stored = await kube.get_job(name)
        assert stored == written
        assert stored["status"] == {"phase": phase}
        assert stored["metadata"].get("labels") == seen.get("labels")


@pytest.mark.parametrize("versioned", [False, True])
async def test_a_status_of_another_uid_is_not_written(kube: Kube, versioned: bool) -> None:
    """The resource was deleted and made again under the same name."""
    first = await created(kube)
    name = first["metadata"]["name"]
    await kube.delete_job(name, uid=first["metadata"]["uid"])
    second = await kube.create_job(job(name))
    assert second is not None
    version = second["metadata"]["resourceVersion"] if versioned else None
    outcome = await kube.patch_job_status(
        name, {"phase": "Succeeded"}, uid=first["metadata"]["uid"], version=version
    )
    assert outcome is None
    assert await kube.get_job(name) == second
    gone = await kube.patch_job_status(new_name(), {"phase": "Failed"}, uid="x", version=version)
    assert gone is None
    assert await kube.patch_pool_status(new_name(), {"slots": 1}, uid="x") is None


async def test_a_status_out_of_bounds_is_refused(kube: Kube) -> None:
    metadata = (await created(kube))["metadata"]
    with pytest.raises(ApiException) as refusal:
        await kube.patch_job_status(metadata["name"], {"phase": "Lost"}, uid=metadata["uid"])
    assert refusal.value.status == 422


async def test_a_status_holds_conditions_and_outputs(kube: Kube) -> None:
    metadata = (await created(kube))["metadata"]
    status = {
        "phase": "Succeeded",
        "observedGeneration": 1,
        "conditions": [
            {
                "type": "Complete",
                "status": "True",
                "reason": "Delivered",
                "message": "1 output",
                "lastTransitionTime": "2026-11-22T12:00:00Z",
            }
        ],
        "outputs": [
            {
                "key": "workspaces/ws_a/jobs/j/1/output-0.png",
                "width": 1024,
                "height": 768,
                "bytes": 2**40,
                "sha256": "0" * 64,
                "seed": 2**32 - 1,
            }
        ],
    }
    patched = await kube.patch_job_status(metadata["name"], status, uid=metadata["uid"])
    assert patched is not None
    assert patched["status"] == status


async def test_a_cancel_is_asked_for_in_the_spec(kube: Kube) -> None:
    name = (await created(kube))["metadata"]["name"]
    for _ in range(2):
        patched = await kube.request_cancel(name)
        assert patched is not None
        assert patched["spec"]["cancel"] is True
        assert patched["metadata"]["generation"] == 2
    assert await kube.request_cancel(new_name()) is None


async def test_only_the_resource_of_that_uid_is_deleted(kube: Kube) -> None:
    metadata = (await created(kube))["metadata"]
    await kube.delete_job(metadata["name"], uid="0b5e1f5c-0000-4000-8000-000000000000")
    assert await kube.get_job(metadata["name"]) is not None
    for _ in range(2):
        await kube.delete_job(metadata["name"], uid=metadata["uid"])
        assert await kube.get_job(metadata["name"]) is None


async def test_without_a_uid_whatever_has_the_name_is_deleted(kube: Kube) -> None:
    name = (await created(kube))["metadata"]["name"]
    await kube.delete_job(name)
    assert await kube.get_job(name) is None


async def test_the_namespace_says_which_workspaces_it_is_bound_to(kube: Kube) -> None:
    annotations = await kube.namespace_annotations()
    assert annotations["imagerift.dev/workspaces"] == "ws_a,ws_b"


def lease(name: str, holder: str) -> Any:
    return client.V1Lease(
        metadata=client.V1ObjectMeta(name=name),
        spec=client.V1LeaseSpec(holder_identity=holder, lease_duration_seconds=15),
    )


async def test_of_many_first_leases_one_is_created(kube: Kube) -> None:
    name = new_name()
    assert await kube.get_lease(name) is None
    outcomes = await asyncio.gather(*(kube.create_lease(lease(name, f"h{n}")) for n in range(8)))
    (winner,) = [outcome for outcome in outcomes if outcome is not None]
    stored = await kube.get_lease(name)
    assert stored is not None
    assert stored.spec.holder_identity == winner.spec.holder_identity


async def test_of_many_who_take_over_one_lease_one_wins(kube: Kube) -> None:
    name = new_name()
    await kube.create_lease(lease(name, "old"))

    async def take(holder: str) -> Any:
        seen = await kube.get_lease(name)
        assert seen is not None
        await everybody_has_read.wait()
        seen.spec.holder_identity = holder
        return await kube.replace_lease(seen)

    everybody_has_read = asyncio.Barrier(6)
    outcomes = await asyncio.gather(*(take(f"h{number}") for number in range(6)))
    (winner,) = [outcome for outcome in outcomes if outcome is not None]
    stored = await kube.get_lease(name)
    assert stored is not None
    assert stored.spec.holder_identity == winner.spec.holder_identity
    winner.spec.holder_identity = "again"
    assert await kube.replace_lease(winner) is not None


async def test_the_api_server_tells_the_time(kube: Kube) -> None:
    assert abs(await kube.time() - datetime.now(UTC)) < timedelta(seconds=30)
