"""The chart on the node: install, calls, kills, upgrade and rollback, a power cut."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.node.release import NAMESPACE, RELEASE, Release, picture
from tests.platform_under_test import CHECKOUT

GENERATE = r"""
curl -sS --noproxy '*' -X POST {host}/api/v1/generate \
  -H "Authorization: Bearer {key}" \
  -H "Content-Type: application/json" \
  -d @- <<BODY
{{
    "mode": "style",
    "imageBase64": "{image}",
    "prompt": "cinematic product photo on a clean studio background",
    "exportSize": "base",
    "outputAspect": "source"
  }}
BODY
"""
POLL = r"""
curl -sS --noproxy '*' -X GET {host}/api/v1/jobs/{job} \
  -H "Authorization: Bearer {key}"
"""
# What has to come back after it was killed, and the label of its pods.
COMPONENTS = {
    "api": "app.kubernetes.io/component=api",
    "operator": "app.kubernetes.io/component=operator",
    "triton": "imagerift.dev/pool=default",
    "s3": "app.kubernetes.io/component=s3",
    "mongodb": "app.kubernetes.io/component=mongodb",
}


def test_the_two_printed_calls_make_a_picture_that_is_fetched_from_outside(
    release: Release, tmp_path: Path, encoded: str, photo: bytes
) -> None:
    release.node.transcript.chapter("The developer's calls")
    values = {"host": release.url, "key": release.token}
    queued = release.curl(GENERATE.format(image=encoded, **values), tmp_path)
    assert queued["status"] == "queued", queued
    [job] = release.ended([queued["jobId"]])
    polled = release.curl(POLL.format(job=queued["jobId"], **values), tmp_path)
    assert polled["status"] == job["status"] == "succeeded", polled
    assert polled["quota"]["charged"] is True
    for call, answer in (("POST …/api/v1/generate", queued), ("GET …/api/v1/jobs/JOB_ID", polled)):
        told = {name: answer[name] for name in ("jobId", "status", "quota")}
        release.node.transcript.command(("curl", "-X", call), f"{json.dumps(told)}\n")
    made = picture(polled["downloadUrl"])
    note = f"{made.format} {made.size[0]}x{made.size[1]}\n"
    release.node.transcript.command(("curl", "DOWNLOAD_URL", "|", "file", "-"), note)
    before = np.asarray(Image.open(CHECKOUT / "docs/images/sample.jpg").convert("RGB"), float)
    after = np.asarray(made.convert("RGB").resize((before.shape[1], before.shape[0])), float)
    assert max(made.size) == 1024
    assert made.width / made.height == pytest.approx(before.shape[1] / before.shape[0], rel=0.01)
    assert np.abs(before - after).mean() > 10
    release.node.kubectl("-n", NAMESPACE, "get", "gj")


def test_the_charts_own_test_passes(release: Release) -> None:
    release.node.transcript.chapter("helm test")
    printed = release.node.helm(
        *("test", RELEASE, "-n", NAMESPACE, "--logs", "--timeout", "600s"), seconds=660
    )
    assert "Succeeded" in printed


@pytest.mark.parametrize("component", COMPONENTS)
def test_jobs_survive_the_kill_of_a_component(
    release: Release, encoded: str, component: str
) -> None:
    node = release.node
    node.transcript.chapter(f"Kill {component}")
    remaining = release.remaining()
    jobs = [release.submit(encoded, f"{component} is killed, {number}") for number in range(3)]
    selector = COMPONENTS[component]
    before = {
        pod["metadata"]["uid"] for pod in node.get("-n", NAMESPACE, "pods", "-l", selector)["items"]
    }
    node.kubectl(
        *("-n", NAMESPACE, "delete", "pods", "-l", selector),
        *("--force", "--grace-period=0", "--wait=true"),
    )
    jobs.append(release.submit(encoded, f"{component} was killed"))
    ended = release.ended(jobs)
    assert [job["status"] for job in ended] == ["succeeded"] * len(jobs), ended
    assert picture(ended[-1]["downloadUrl"]).width > 0
    release.wait_up()
    after = {
        pod["metadata"]["uid"] for pod in node.get("-n", NAMESPACE, "pods", "-l", selector)["items"]
    }
    assert after and not before & after
    assert release.remaining() == remaining - len(jobs)


def test_an_upgrade_and_a_rollback_lose_no_job(release: Release, encoded: str) -> None:
    node = release.node
    node.transcript.chapter("helm upgrade, helm rollback")
    remaining = release.remaining()
    jobs = [release.submit(encoded, f"before the upgrade, {number}") for number in range(3)]
    release.chart("upgrade", "--set", "api.logLevel=DEBUG", "--set", "operator.logLevel=DEBUG")
    jobs.append(release.submit(encoded, "during the upgrade"))
    release.wait_up()
    jobs.append(release.submit(encoded, "before the rollback"))
    node.helm("rollback", RELEASE, "1", "-n", NAMESPACE)
    jobs.append(release.submit(encoded, "during the rollback"))
    release.wait_up()
    node.helm("history", RELEASE, "-n", NAMESPACE)
    ended = release.ended(jobs)
    assert [job["status"] for job in ended] == ["succeeded"] * len(jobs), ended
    assert release.remaining() == remaining - len(jobs)


def test_a_power_cut_of_the_node_loses_no_job(release: Release, encoded: str) -> None:
    node = release.node
    node.transcript.chapter("A power cut of the node")
    remaining = release.remaining()
    jobs = [release.submit(encoded, f"before the power cut, {number}") for number in range(4)]
    node.kill()
    seconds = node.start()
    node.transcript.command(("imagerift-node", "up"), f"ready again after {seconds:.0f} s\n")
    release.wait_up()
    ended = release.ended(jobs)
    assert [job["status"] for job in ended] == ["succeeded"] * len(jobs), ended
    assert release.remaining() == remaining - len(jobs)
    for job in ended:
        assert picture(job["downloadUrl"]).width > 0
    node.kubectl("-n", NAMESPACE, "get", "pods")
