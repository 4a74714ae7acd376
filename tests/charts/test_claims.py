"""GPUs by Dynamic Resource Allocation: what docs/gpu.md shows is valid, and job pods take it."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import yaml
from imagerift_operator.job_pod_objects import check_job, kept_job, run_job
from kubernetes_validate import validate

from tests.charts.rendering import CHARTS, NAMESPACE, Helm, job_pods

PAGE = (CHARTS.parent / "docs" / "gpu.md").read_text()
# Those that have resource.k8s.io/v1.
WITH_CLAIMS = ["1.34", "1.35", "1.36", "1.37"]
CLAIM = {"name": "gpu", "resourceClaimTemplateName": "h100"}


def shown() -> dict[str, Any]:
    (text,) = re.findall(r"```yaml\n(  apiVersion: resource.k8s.io/v1\n.*?)```", PAGE, re.DOTALL)
    template: dict[str, Any] = yaml.safe_load(textwrap.dedent(text))
    return template


def test_the_template_that_the_page_shows_is_valid() -> None:
    template = shown()
    assert template["metadata"]["name"] == CLAIM["resourceClaimTemplateName"]
    for version in WITH_CLAIMS:
        assert validate(template, version, strict=True) == version


def test_job_pods_take_a_claim_in_the_place_of_a_device_plugins_gpu(helm: Helm) -> None:
    values = {"enabled": True, "gpus": 0, "resourceClaims": [CLAIM], "keep": {"idleSeconds": 60}}
    pods = job_pods(helm.render(values={"jobPods": values}))
    assert pods.takes_devices and pods.keep is not None
    common: dict[str, Any] = {"deadline_seconds": 600, "s3_origin": "http://s3"}
    run = run_job("r", NAMESPACE, pods, **common)
    kept = kept_job("k", NAMESPACE, pods, pods.keep, **common)
    check = check_job("c", NAMESPACE, pods, **common)
    for body in (run, kept, check):
        for version in WITH_CLAIMS:
            assert validate(body, version, strict=True) == version
    for body in (run, kept):
        spec = body["spec"]["template"]["spec"]
        assert spec["resourceClaims"] == [CLAIM]
        (container,) = spec["containers"]
        assert container["resources"] == {"claims": [{"name": "gpu"}]}
    assert "resourceClaims" not in check["spec"]["template"]["spec"]
