"""The same objects through `kubectl`, as an operator of the cluster uses them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.e2e.resources import BINDING, made, manifest, phase_reached, resource
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.puppet_jobs import submit


def test_a_job_of_the_api_can_be_followed_and_waited_for(
    platform: PlatformUnderTest, tenant: Tenant, small_photo: bytes
) -> None:
    job_id = made(platform, tenant.submitted(small_photo))
    platform.kubectl("wait", "--for=condition=Complete", f"gj/{job_id}", "--timeout=280s")
    table = platform.kubectl("get", "gj", job_id).stdout.splitlines()
    assert table[0].split() == ["NAME", "PHASE", "MODE", "SIZE", "WORKSPACE", "AGE"]
    assert table[1].split()[:5] == [job_id, "Succeeded", "style", "base", tenant.workspace]
    wide = platform.kubectl("get", "gj", job_id, "-o", "wide").stdout.splitlines()
    assert wide[0].split() == [
        *["NAME", "PHASE", "MODE", "SIZE", "WORKSPACE"],
        *["POOL", "ATTEMPTS", "DURATION", "REASON", "AGE"],
    ]
    assert "OutputsDelivered" in wide[1]
    described = platform.kubectl("describe", "gj", job_id).stdout
    assert "Phase:" in described and "Complete" in described
    assert "X-Amz" not in described and tenant.token not in described


def test_deleting_a_running_job_cancels_it_uncharged(
    platform: PlatformUnderTest, tenant: Tenant, photo: bytes
) -> None:
    job_id = tenant.submitted(photo, variations=8)
    tenant.wait_for(job_id, "processing")
    platform.kubectl("delete", "gj", job_id)
    job = tenant.wait_for(job_id)
    assert job["status"] == "canceled"
    assert tenant.counters() == {"charged": 0, "reserved": 0, "ledger": 0}


def test_setting_cancel_in_the_spec_cancels(
    platform: PlatformUnderTest, tenant: Tenant, photo: bytes
) -> None:
    job_id = made(platform, tenant.submitted(photo, variations=8))
    patch = '{"spec":{"cancel":true}}'
    platform.kubectl("patch", "gj", job_id, "--type", "merge", "-p", patch)
    assert tenant.wait_for(job_id)["status"] == "canceled"
    phase_reached(platform, job_id, "Canceled")


def test_a_job_made_by_hand_runs_and_is_charged_like_any_other(
    platform: PlatformUnderTest, bound: Tenant, source: str
) -> None:
    before = bound.counters()
    platform.kubectl("apply", "-f", "-", stdin=manifest("by-hand", bound, source))
    platform.kubectl("wait", "--for=condition=Complete", "gj/by-hand", "--timeout=280s")
    made = resource(platform, "by-hand")
    job = bound.job(made["metadata"]["uid"])
    assert job["status"] == "succeeded"
    assert made["status"]["jobId"] == job["jobId"]
    assert bound.counters()["charged"] == before["charged"] + 1
    # Applying it again changes nothing and charges nothing.
    platform.kubectl("apply", "-f", "-", stdin=manifest("by-hand", bound, source))
    assert bound.counters()["charged"] == before["charged"] + 1
    platform.kubectl("delete", "gj", "by-hand")
    assert bound.job(job["jobId"])["status"] == "succeeded"


def test_a_namespace_that_is_not_bound_to_the_workspace_is_refused(
    platform: PlatformUnderTest, tenant: Tenant, source: str
) -> None:
    before = tenant.counters()
    platform.kubectl("apply", "-f", "-", stdin=manifest("unbound", tenant, source))
    refused = phase_reached(platform, "unbound", "Failed")
    assert refused["status"]["reason"] == "WorkspaceNotBound"
    assert tenant.counters() == before
    platform.kubectl("delete", "gj", "unbound")


def test_a_failed_job_has_one_event_and_one_that_succeeds_has_none(
    platform: PlatformUnderTest, tenant: Tenant, small_photo: bytes
) -> None:
    well = tenant.submitted(small_photo, mode="noop")
    failed = submit(tenant, small_photo, fail="no_face_found")
    assert tenant.wait_for(failed)["status"] == "failed"
    assert tenant.wait_for(well)["status"] == "succeeded"

    def events(name: str) -> list[str]:
        return platform.kubectl(
            *["get", "events", "--field-selector", f"involvedObject.name={name}"],
            *["-o", "jsonpath={range .items[*]}{.type} {.reason}: {.message}{'\\n'}{end}"],
        ).stdout.splitlines()

    wait_until(lambda: events(failed), seconds=30, what="an Event of the failed job")
    (event,) = events(failed)
    status = resource(platform, failed)["status"]
    assert event == f"Warning {status['reason']}: {status['message']}"
    assert events(well) == []


def test_a_job_that_nobody_serves_says_so(
    platform: PlatformUnderTest, bound: Tenant, source: str
) -> None:
    platform.kubectl("apply", "-f", "-", stdin=manifest("stuck", bound, source, pool="nowhere"))

    def said() -> bool:
        status = resource(platform, "stuck").get("status", {})
        return bool(status.get("reason") == "PoolUnavailable")

    wait_until(said, seconds=60, what="the job says why it waits")
    wide = platform.kubectl("get", "gj", "stuck", "-o", "wide").stdout.splitlines()
    assert "PoolUnavailable" in wide[1]
    message = resource(platform, "stuck")["status"]["message"]
    assert "in the queue: no pool that is ready serves what it asks for." in message
    platform.kubectl("delete", "gj", "stuck")


def test_binding_one_workspace_leaves_the_others_bound(
    platform: PlatformUnderTest, bound: Tenant, make_tenant: Any, small_photo: bytes
) -> None:
    other = make_tenant("load")
    namespace = platform.environment["IMAGERIFT_NAMESPACE"]
    platform.kubectl("annotate", "ns", namespace, f"{BINDING}{other.workspace}=true")
    for name, one in {"of-the-one": bound, "of-the-other": other}.items():
        job_id = one.submitted(small_photo, mode="noop")
        one.wait_for(job_id, "succeeded")
        key = f"workspaces/{one.workspace}/jobs/{job_id}/source"
        platform.kubectl("apply", "-f", "-", stdin=manifest(name, one, key))
        platform.kubectl("wait", "--for=condition=Complete", f"gj/{name}", "--timeout=280s")
        platform.kubectl("delete", "gj", name)
    platform.kubectl("annotate", "ns", namespace, f"{BINDING}{other.workspace}-")


@pytest.mark.parametrize("path", ["gj", "gj.spec", "gj.status", "tp.spec.template", "tp.status"])
def test_every_field_is_explained(platform: PlatformUnderTest, path: str) -> None:
    lines = platform.kubectl("explain", path).stdout.splitlines()
    fields = [number for number, line in enumerate(lines) if re.match(r" {2,3}\w+\t+<", line)]
    assert len(fields) >= 5
    assert [lines[at] for at in fields if lines[at + 1].strip() in {"", "<no description>"}] == []


def test_another_workspaces_source_is_refused(
    platform: PlatformUnderTest,
    bound: Tenant,
    make_tenant: Any,
    small_photo: bytes,
) -> None:
    other = make_tenant("load")
    job_id = other.submitted(small_photo, mode="noop")
    other.wait_for(job_id, "succeeded")
    foreign = f"workspaces/{other.workspace}/jobs/{job_id}/source"
    platform.kubectl("apply", "-f", "-", stdin=manifest("foreign", bound, foreign))
    refused = phase_reached(platform, "foreign", "Failed")
    assert refused["status"]["reason"] == "SourceNotFound"
    assert bound.counters() == {"charged": 0, "reserved": 0, "ledger": 0}
    platform.kubectl("delete", "gj", "foreign")


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"variations": 9}, "variations"),
        ({"mode": "Style!"}, "mode"),
        ({"exportSize": "8k"}, "exportSize"),
        ({"seed": -1}, "seed"),
    ],
)
def test_the_api_server_itself_refuses_values_out_of_bounds(
    platform: PlatformUnderTest, tenant: Tenant, spec: dict[str, Any], text: str
) -> None:
    body = manifest("bad", tenant, "workspaces/x/jobs/y/source", **spec)
    refused = platform.kubectl("apply", "-f", "-", stdin=body, check=False)
    assert refused.returncode != 0
    assert text in refused.stderr


def test_a_resource_that_claims_to_be_the_apis_without_a_record_is_never_run(
    platform: PlatformUnderTest, bound: Tenant, source: str
) -> None:
    body = json.loads(manifest("forged", bound, source))
    body["metadata"]["labels"] = {"imagerift.dev/origin": "api"}
    before = bound.counters()
    platform.kubectl("apply", "-f", "-", stdin=json.dumps(body))

    # The operator waits half a minute for a record that might still be on its way.
    def refused() -> bool:
        status = resource(platform, "forged").get("status", {})
        return bool(status.get("reason") == "NotAdmitted")

    wait_until(refused, seconds=120, what="the forged resource is refused")
    assert bound.counters() == before
    platform.kubectl("delete", "gj", "forged")


def test_a_pool_shows_its_readiness(platform: PlatformUnderTest) -> None:
    table = platform.kubectl("get", "tp").stdout.splitlines()
    assert table[0].split() == ["NAME", "READY", "REPLICAS", "SLOTS", "MODES", "AGE"]
    platform.kubectl("wait", "--for=condition=Ready", "tp/default", "--timeout=280s")
