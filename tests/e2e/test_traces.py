"""One trace from the HTTP request through the resource and the operator to the model server."""

from __future__ import annotations

import json
import secrets
import urllib.request

from tests.e2e.resources import made
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.otlp_receiver import ReceivedSpan

ANNOTATION = "imagerift.dev/traceparent"
PROMPT = "a very private wish about a lighthouse"


def trace_of(platform: PlatformUnderTest, trace: str, wanted: set[str]) -> list[ReceivedSpan]:
    """The trace's spans, once those that are wanted have all arrived."""

    def complete() -> list[ReceivedSpan] | None:
        spans = [span for span in platform.spans() if span.trace_id == trace]
        return spans if wanted <= {span.name for span in spans} else None

    found: list[ReceivedSpan] = wait_until(complete, seconds=30, what=f"the spans {wanted}")
    return found


def only(spans: list[ReceivedSpan], name: str) -> ReceivedSpan:
    (span,) = [span for span in spans if span.name == name]
    return span


def test_one_trace_goes_from_the_request_through_the_resource_to_the_model_and_back(
    platform: PlatformUnderTest, tenant: Tenant, small_photo: bytes
) -> None:
    trace, caller = secrets.token_hex(16), secrets.token_hex(8)
    tracing = {"traceparent": f"00-{trace}-{caller}-01"}
    upload = tenant.submit(small_photo, more_headers=tracing, prompt=PROMPT)
    assert upload.status_code == 202, upload.text
    job_id = made(platform, upload.json()["jobId"])
    resource = json.loads(platform.kubectl("get", "gj", job_id, "-o", "json").stdout)
    job = tenant.wait_for(job_id, "succeeded")
    assert job["status"] == "succeeded"
    request_name = "POST /api/v1/generate"
    ours = {request_name, "sources.keep", "jobs.admit", "resource.create"}
    operators = {"wait", "attempt", "triton generate", "settle", "resource.status"}
    models = {"InferRequest", "generate"}
    spans = trace_of(platform, trace, ours | operators | models)

    request = only(spans, request_name)
    assert (request.service, request.parent_id) == ("imagerift-api", caller)
    assert request.attributes["http.response.status_code"] == 202
    for name in ours - {request_name}:
        assert only(spans, name).parent_id == request.span_id

    # The resource and the record carry the request's own span; the operator goes on from there.
    carried = resource["metadata"]["annotations"][ANNOTATION]
    assert carried == f"00-{trace}-{request.span_id}-01"
    attempt = only(spans, "attempt")
    assert (attempt.service, attempt.parent_id) == ("imagerift-operator", request.span_id)
    assert attempt.attributes["imagerift.job"] == job_id
    for name in ("wait", "triton generate", "settle"):
        assert only(spans, name).parent_id == attempt.span_id
    # A status is written when the job runs for long, and when it has ended.
    statuses = [span for span in spans if span.name == "resource.status"]
    assert {span.parent_id for span in statuses} == {attempt.span_id}

    # The model server's own spans hang under the call.
    call, received = only(spans, "triton generate"), only(spans, "InferRequest")
    assert (received.service, received.parent_id) == ("imagerift-triton", call.span_id)
    assert only(spans, "generate").parent_id == received.span_id
    assert attempt.start <= call.start <= call.end <= attempt.end
    # And what came back is on the attempt.
    assert attempt.attributes["imagerift.outputs"] == 1
    assert any(name.startswith("imagerift.stage.") for name in attempt.attributes)

    sent = json.dumps([span.attributes for span in spans])
    for secret in (PROMPT, tenant.token, "X-Amz-", "http://127.0.0.1", small_photo.hex()[:40]):
        assert secret not in sent


def test_what_went_wrong_is_on_the_span_as_a_code(
    platform: PlatformUnderTest, tenant: Tenant
) -> None:
    trace = secrets.token_hex(16)
    tracing = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
    refused = tenant.submit(b"no picture at all", more_headers=tracing, mode="noop")
    assert refused.status_code == 415, refused.text
    (span,) = trace_of(platform, trace, {"POST /api/v1/generate"})
    assert span.attributes["http.response.status_code"] == 415


def figures(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/metrics") as answer:  # noqa: S310
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def test_metrics_tell_of_requests_queue_wait_run_charges_settlements_and_writes(
    platform: PlatformUnderTest, tenant: Tenant, small_photo: bytes
) -> None:
    host = "http://127.0.0.1"
    api = f"{host}:{platform.environment['IMAGERIFT_API_METRICS_PORT']}"
    operator = f"{host}:{platform.environment['IMAGERIFT_OPERATOR_METRICS_PORT']}"
    before = figures(api) | figures(operator)
    tenant.wait_for(tenant.submitted(small_photo, mode="noop", variations=3), "succeeded")

    patches = 'imagerift_kubernetes_writes_total{verb="status"}'
    grown = {
        'imagerift_units_charged_total{mode="noop"}': 3,
        'imagerift_jobs_ended_total{fault="none",mode="noop",status="succeeded"}': 1,
        'imagerift_job_wait_seconds_count{band="2"}': 1,
        'imagerift_attempt_seconds_count{pool="test"}': 1,
        "imagerift_settlement_group_jobs_count": 1,
        patches: 1,
        'imagerift_api_kubernetes_writes_total{verb="create"}': 1,
        'imagerift_api_admissions_total{outcome="accepted"}': 1,
    }

    by: dict[str, float] = {}

    def counted() -> bool:
        after = figures(api) | figures(operator)
        by.update({name: after.get(name, 0) - before.get(name, 0) for name in grown})
        # A job that lasts over a second is also shown as running.
        return by == grown or by == grown | {patches: 2}

    wait_until(counted, seconds=15, what="every figure has grown by what the job did")
    shown = figures(api) | figures(operator)
    requests = [name for name in shown if name.startswith("imagerift_api_requests_total")]
    assert any('route="/api/v1/generate"' in name and 'status="202"' in name for name in requests)
    assert 'imagerift_queue_jobs{band="2"}' in shown
