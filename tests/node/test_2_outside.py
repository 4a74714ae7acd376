"""A release on stores outside of the cluster, by CAs of their own, and with a proxy."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
import trustme
from pymongo.errors import ServerSelectionTimeoutError

from tests.node.outside import LOGIN, WEIGHTS, Outside, outside_world
from tests.node.release import RELEASE, Release, picture
from tests.node.weights import from_host, wait_ready, weights
from tests.platform_under_test import wait_until
from tests.support.weights_hosts import safetensors

NAMESPACE, RUNNERS = "outside", "outside-runners"
WORKLOADS = (
    "deployment/imagerift-operator",
    "deployment/imagerift-api",
    "deployment/default-triton",
)
FILES = {"model.safetensors": safetensors(100_000)}


@pytest.fixture(scope="module")
def outside(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    with outside_world(release.node, tmp_path_factory.mktemp("outside")) as world:
        yield world


@pytest.fixture(scope="module")
def apart(
    release: Release, outside: Outside, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Release]:
    """A second release, in namespaces of its own, that uses all of it and bundles nothing."""
    node = release.node
    node.transcript.chapter("A release on stores outside, by own CAs, with a proxy")
    values = tmp_path_factory.mktemp("values") / "outside.yaml"
    values.write_text(outside.values(node.machine))
    for namespace in (NAMESPACE, RUNNERS):
        node.kubectl("create", "namespace", namespace)
        believe(release, namespace, outside.company, "company-ca")
    for name, content in outside.secrets().items():
        keep_secret(release, name, content)
    apart = Release(node, namespace=NAMESPACE, values=values, workloads=WORKLOADS)
    try:
        apart.chart("install")
        apart.wait_up()
        node.kubectl("-n", NAMESPACE, "get", "pods,tp")
        apart.make_key("outside")
        yield apart
    finally:
        node.helm("uninstall", RELEASE, "-n", NAMESPACE, "--wait", "--timeout", "180s")
        # A namespace is looked at again only after its pods' time to end.
        wait_until(lambda: not _running(release), seconds=180, what="the pods are gone")
        node.kubectl("delete", "namespace", NAMESPACE, RUNNERS)


def believe(release: Release, namespace: str, authority: trustme.CA, name: str) -> None:
    """The authority's certificate in a ConfigMap of that name."""
    release.node.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            "data": {"ca.crt": authority.cert_pem.bytes().decode()},
        }
    )


def keep_secret(release: Release, name: str, content: dict[str, str]) -> None:
    metadata = {"name": name, "namespace": NAMESPACE}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": content}
    release.node.quietly("kubectl", "apply", "-f", "-", stdin=json.dumps(secret))


def test_a_job_is_done_and_told_of_where_everything_is_signed_by_an_own_authority(
    apart: Release, outside: Outside, encoded: str
) -> None:
    hook = outside.receiver.url()
    job_id = apart.submit(encoded, "on a store outside", webhookUrl=hook)
    [job] = apart.ended([job_id])
    assert job["status"] == "succeeded", job
    assert job["downloadUrl"].startswith(f"{outside.s3.public_url}/")
    trusting = ("--cacert", str(outside.company_file))
    assert picture(job["downloadUrl"], *trusting).width > 0
    wait_until(lambda: outside.receiver.got, seconds=60, what="the webhook comes")
    assert outside.receiver.got[0].content["type"] == "job.succeeded"
    apart.node.kubectl("-n", NAMESPACE, "get", "gj", job_id, "-o", "wide")


def test_a_job_pod_believes_the_authority_too(
    apart: Release, outside: Outside, encoded: str
) -> None:
    job_id = apart.submit(encoded, "in a pod", exportSize="2k")
    [job] = apart.ended([job_id])
    assert job["status"] == "succeeded", job
    assert apart.node.get("-n", NAMESPACE, "gj", job_id)["status"]["pool"] == "job-pods"
    trusting = ("--cacert", str(outside.company_file))
    assert max(picture(job["downloadUrl"], *trusting).size) == 2048


def test_the_charts_own_test_passes_there(apart: Release, outside: Outside) -> None:
    printed = apart.node.helm(
        *("test", RELEASE, "-n", NAMESPACE, "--logs", "--timeout", "600s"), seconds=660
    )
    assert f"{outside.s3.public_url}/" in printed and "Succeeded" in printed


def test_mongodb_is_reached_by_tls_with_a_certificate_and_a_password(
    apart: Release, outside: Outside
) -> None:
    found = outside.mongodb.connections()
    assert {one["appName"] for one in found} == {"imagerift"}
    # It takes no other, nor any without a certificate of its own authority.
    assert outside.mongodb.by_tls() >= len(found) > 1
    with pytest.raises(ServerSelectionTimeoutError):
        outside.mongodb.ask_without_certificate()


def test_sign_ins_and_weights_go_through_the_proxy_which_alone_knows_their_names(
    apart: Release, outside: Outside
) -> None:
    answer = httpx.get(f"{apart.url}/account/sign-in", trust_env=False, timeout=30)
    assert answer.headers["Location"].startswith(f"https://{LOGIN}/authorize?"), answer.text
    assert f"CONNECT {LOGIN}:443" in outside.proxy.asked
    outside.host.files |= {f"/{path}": content for path, content in FILES.items()}
    manifest = from_host("outside", f"https://{WEIGHTS}", FILES)
    manifest["metadata"]["namespace"] = NAMESPACE
    with weights(apart, manifest):
        assert wait_ready(apart, "outside")["files"] == len(FILES)
    assert f"CONNECT {WEIGHTS}:443" in outside.proxy.asked


def test_nothing_of_the_cluster_nor_mongodb_nor_webhooks_goes_through_the_proxy(
    apart: Release, outside: Outside
) -> None:
    asked = list(outside.proxy.asked)
    told = "".join(f"{asked.count(line):7} {line}\n" for line in sorted(set(asked)))
    apart.node.transcript.command(("sort", "proxy.log", "|", "uniq", "-c"), told)
    store = outside.s3.internal_url.removeprefix("https://")
    assert f"CONNECT {store}" in asked
    assert set(asked) <= {f"CONNECT {way}" for way in (store, f"{LOGIN}:443", f"{WEIGHTS}:443")}


def test_a_ca_that_is_another_one_is_told_and_the_release_before_goes_on(
    apart: Release, encoded: str
) -> None:
    node = apart.node
    node.transcript.chapter("Another CA than MongoDB's")
    keep_secret(apart, "stranger-ca", {"ca.crt": trustme.CA().cert_pem.bytes().decode()})
    before = _api_pods(apart)
    apart.chart("upgrade", "--set", "mongodb.tls.caSecret=stranger-ca")

    def told() -> str:
        for pod in sorted(_api_pods(apart) - before):
            log = node.quietly("kubectl", "-n", NAMESPACE, "logs", pod, "-c", "api", check=False)
            for line in log.stdout.splitlines():
                if '"clock_not_read"' in line and '"mongodb"' in line:
                    return line
        return ""

    line = wait_until(told, seconds=180, what="the new pod says why it is not ready")
    assert "certificate verify failed" in json.loads(line)["words"]
    node.transcript.command(
        ("kubectl", "-n", NAMESPACE, "logs", "deploy/imagerift-api"), f"{line}\n"
    )
    node.kubectl("-n", NAMESPACE, "get", "pods")
    # The replica before is there until another is ready, and takes jobs.
    job_id = apart.submit(encoded, "while the CA is another one")
    node.helm("rollback", RELEASE, "-n", NAMESPACE)
    apart.wait_up()
    [job] = apart.ended([job_id])
    assert job["status"] == "succeeded", job


def _running(release: Release) -> list[str]:
    pods = release.node.get("-n", NAMESPACE, "pods")["items"]
    return [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] != "Succeeded"]


def _api_pods(release: Release) -> set[str]:
    label = "app.kubernetes.io/component=api"
    found = release.node.get("-n", release.namespace, "pods", "-l", label)["items"]
    return {pod["metadata"]["name"] for pod in found}
