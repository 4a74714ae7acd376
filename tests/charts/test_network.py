"""Who can reach whom, read from the NetworkPolicies that are rendered.

This shows what the policies say. That they are enforced is the network plugin's part.
"""

from __future__ import annotations

import pytest
from imagerift_core.model_weights import ModelWeightsSpec
from imagerift_core.weights_pods import WeightsPods
from imagerift_operator.job_pod_objects import run_labels
from imagerift_operator.weights_objects import WeightsObjects

from tests.charts.network import Place, pod, reaches
from tests.charts.rendering import NAMESPACE, Helm, Objects

PORTS = {
    "api": 8080,
    "operator": 9092,
    "triton": 8000,
    "mongodb": 27017,
    "s3": 8333,
    "probe": 8080,
}
COMPONENTS = sorted(PORTS)
# Within a release, every other pair is refused on every port.
WANTED = {
    ("api", "mongodb"),
    ("api", "s3"),
    ("operator", "mongodb"),
    ("operator", "s3"),
    ("operator", "triton"),
    ("triton", "s3"),
    ("probe", "api"),
    ("probe", "s3"),
    ("mongodb", "mongodb"),
}
WEIGHTS = {"source": "hf://a/b@c", "acceptLicence": "MIT", "storage": {"size": "1Gi"}}
METADATA_SERVICE = Place(address="169.254.169.254")
INTERNET = Place(address="198.51.100.10")
INTERNET_6 = Place(address="2001:db8::10")
PRIVATE = Place(address="10.3.2.1")
PRIVATE_6 = Place(address="fd00::1")


STRANGER = Place({"app": "shop"}, NAMESPACE)
INGRESS = Place({"app": "nginx"}, "ingress-nginx")
PROMETHEUS = Place({"app": "prometheus"}, "monitoring")
DNS = Place({"k8s-app": "kube-dns"}, "kube-system")


def test_every_pod_is_under_a_policy_for_both_ways(examples: dict[str, Objects]) -> None:
    for objects in examples.values():
        selected = {
            policy["metadata"]["labels"]["app.kubernetes.io/component"]
            for policy in objects.of("NetworkPolicy")
            if policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        }
        made = {
            template["metadata"]["labels"]["app.kubernetes.io/component"]
            for template in objects.pods.values()
        }
        assert made | {"triton"} <= selected


@pytest.mark.parametrize("source", COMPONENTS)
@pytest.mark.parametrize("target", COMPONENTS)
def test_components_reach_those_they_need_and_no_other(
    examples: dict[str, Objects], source: str, target: str
) -> None:
    policies = examples["default"].of("NetworkPolicy")
    # Clients may call the API and S3 from anywhere here; that is for what comes from outside.
    wanted = (source, target) in WANTED
    assert reaches(policies, pod(source), pod(target), PORTS[target]) is wanted
    # A pool may name any port for its servers, and kubectl makes pools that no values know.
    anywhere = (source, target) == ("operator", "triton")
    assert reaches(policies, pod(source), pod(target), 22) is anywhere
    assert reaches(policies, pod(source), pod(target), 9090) is anywhere


def test_a_job_pod_reaches_the_object_store_and_its_name_alone(
    helm: Helm, examples: dict[str, Objects]
) -> None:
    bundled = helm.render(values={"jobPods": {"enabled": True}})
    runner = Place(run_labels(NAMESPACE), "imagerift-runners")
    for objects, store, port in (
        (bundled, pod("s3"), 8333),
        (examples["production"], Place(address="203.0.113.7"), 443),
    ):
        policies = objects.of("NetworkPolicy")
        assert reaches(policies, runner, store, port)
        assert reaches(policies, runner, DNS, 53)
        for other in (INTERNET, PRIVATE, METADATA_SERVICE, pod("api"), pod("mongodb"), runner):
            for tried in (80, 443, 6443, 8080, 27017):
                assert not reaches(policies, runner, other, tried), (other, tried)
                assert not reaches(policies, other, runner, tried), (other, tried)


def test_a_download_reaches_the_internet_by_https_and_nothing_inside(
    helm: Helm, examples: dict[str, Objects]
) -> None:
    spec = ModelWeightsSpec.model_validate(WEIGHTS)
    job = WeightsObjects("w", "uid", spec).download_job(WeightsPods(image="weights:1"))
    labels = job["spec"]["template"]["metadata"]["labels"]
    with_job_pods = helm.render(values={"jobPods": {"enabled": True}})
    for objects, namespace in (
        (examples["default"], NAMESPACE),
        (with_job_pods, NAMESPACE),
        (with_job_pods, "imagerift-runners"),
    ):
        policies, download = objects.of("NetworkPolicy"), Place(labels, namespace)
        for place in (INTERNET, INTERNET_6):
            assert reaches(policies, download, place, 443)
            assert not reaches(policies, download, place, 80)
        assert reaches(policies, download, DNS, 53)
        assert reaches(policies, download, pod("s3"), 8333)
        for other in (PRIVATE, PRIVATE_6, METADATA_SERVICE, STRANGER, pod("api"), pod("mongodb")):
            for tried in (80, 443, 6443, 8080, 27017):
                assert not reaches(policies, download, other, tried), (other, tried)
        # How far it is, the operator alone may ask.
        assert reaches(policies, pod("operator"), download, 8080)
        assert not reaches(policies, pod("operator"), download, 443)
        for other in (STRANGER, pod("api"), pod("triton"), INGRESS):
            assert not reaches(policies, other, download, 8080)


@pytest.mark.parametrize("example", ["default", "production", "shard"])
def test_a_gpu_pod_reaches_the_object_store_and_its_name_alone(
    examples: dict[str, Objects], example: str
) -> None:
    policies = examples[example].of("NetworkPolicy")
    triton = pod("triton")
    store, port = {
        "default": (pod("s3"), 8333),
        "production": (Place(address="203.0.113.7"), 443),
        "shard": (Place(address="192.0.2.30"), 9000),
    }[example]
    assert reaches(policies, triton, store, port)
    assert reaches(policies, triton, DNS, 53)
    others = [INTERNET, INTERNET_6, PRIVATE, METADATA_SERVICE, STRANGER, pod("api")]
    for other in [*others, pod("mongodb"), pod("triton"), Place(address="192.0.2.1")]:
        for tried in (80, 443, 6443, 8000, 9000):
            assert not reaches(policies, triton, other, tried), (other, tried)


def test_strangers_in_the_namespace_reach_no_store_and_no_model_server(
    examples: dict[str, Objects],
) -> None:
    policies = examples["default"].of("NetworkPolicy")
    for component in ("operator", "triton", "mongodb", "probe"):
        for port in (PORTS[component], 9091, 443):
            assert not reaches(policies, STRANGER, pod(component), port)
            assert not reaches(policies, INTERNET, pod(component), port)
    # Another release's operator is a stranger too.
    other = Place(pod("operator").labels | {"app.kubernetes.io/instance": "other"}, NAMESPACE)
    assert not reaches(policies, other, pod("triton"), 8000)


def test_named_clients_alone_call_the_api_and_named_readers_alone_read_metrics(
    examples: dict[str, Objects],
) -> None:
    policies = examples["production"].of("NetworkPolicy")
    assert reaches(policies, INGRESS, pod("api"), 8080)
    assert not reaches(policies, STRANGER, pod("api"), 8080)
    assert not reaches(policies, INGRESS, pod("api"), 9090)
    for component, port in (("api", 9090), ("operator", 9091)):
        assert reaches(policies, PROMETHEUS, pod(component), port)
        assert not reaches(policies, STRANGER, pod(component), port)


def test_webhooks_go_to_the_internet_and_never_inside(examples: dict[str, Objects]) -> None:
    policies = examples["production"].of("NetworkPolicy")
    for place in (INTERNET, INTERNET_6):
        assert reaches(policies, pod("api"), place, 443)
        assert reaches(policies, pod("api"), place, 8443)
        assert not reaches(policies, pod("operator"), place, 443)
    for place in (PRIVATE, PRIVATE_6, METADATA_SERVICE, STRANGER, INGRESS):
        for port in (80, 443, 6443):
            assert not reaches(policies, pod("api"), place, port)


def test_the_kubernetes_api_is_reached_by_the_two_that_use_it(
    examples: dict[str, Objects],
) -> None:
    policies = examples["production"].of("NetworkPolicy")
    kubernetes = Place(address="192.0.2.1")
    assert reaches(policies, pod("api"), kubernetes, 6443)
    assert reaches(policies, pod("operator"), kubernetes, 6443)
    assert not reaches(policies, pod("triton"), kubernetes, 6443)
    assert not reaches(policies, pod("probe"), kubernetes, 6443)


@pytest.mark.parametrize("port", [443, 6443, 8443, 16443])
def test_the_small_clusters_of_the_try_out_are_reached_on_their_ports(
    examples: dict[str, Objects], port: int
) -> None:
    policies = examples["try-out"].of("NetworkPolicy")
    for component in ("api", "operator"):
        assert reaches(policies, pod(component), Place(address="192.168.49.2"), port)
    assert not reaches(policies, pod("triton"), Place(address="192.168.49.2"), port)


def test_spans_go_to_the_collector_from_the_two_that_make_them(
    examples: dict[str, Objects],
) -> None:
    policies = examples["production"].of("NetworkPolicy")
    collector = Place({"app": "collector"}, "monitoring")
    for component in ("api", "operator", "triton", "probe"):
        wanted = component in {"api", "operator"}
        assert reaches(policies, pod(component), collector, 4318) is wanted


def test_own_model_servers_are_reached_by_the_operator_alone(
    examples: dict[str, Objects],
) -> None:
    policies = examples["shard"].of("NetworkPolicy")
    server = Place(address="192.0.2.20")
    assert reaches(policies, pod("operator"), server, 8000)
    assert not reaches(policies, pod("triton"), server, 8000)
    assert not reaches(policies, pod("operator"), server, 22)
