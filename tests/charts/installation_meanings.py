"""What the value files of stores, rights, pools and job pods mean."""

from __future__ import annotations

import json

from imagerift_core.resources import TritonPoolSpec
from imagerift_operator.pool_objects import pool_labels
from imagerift_operator.settings import OperatorSettings

import tests.charts.cluster_meanings  # noqa: F401 - registers what its files mean
from tests.charts.meaning import INTERNET, means, outside, policies
from tests.charts.network import Place, pod, reaches
from tests.charts.rendering import (
    NAMESPACE,
    Objects,
    containers,
    job_pods,
    pool_template,
    variables,
    weights_pods,
)


@means("mongodb-atlas")
def _(objects: Objects) -> None:
    for name in ("imagerift-api", "imagerift-operator"):
        assert variables(objects.pods[name])["IMAGERIFT_MONGO_URL"] == {
            "secretKeyRef": {"name": "atlas", "key": "connectionStringStandardSrv"}
        }
    for component in ("api", "operator"):
        assert reaches(policies(objects), pod(component), INTERNET, 27017)
    assert not reaches(policies(objects), pod("probe"), INTERNET, 27017)
    assert not [body for body in objects.of("StatefulSet") if "mongodb" in str(body["metadata"])]


@means("mongodb-other-port")
def _(objects: Objects) -> None:
    assert reaches(policies(objects), pod("operator"), INTERNET, 1024)
    for component in ("operator", "probe"):
        assert not reaches(policies(objects), pod(component), INTERNET, 27017)


@means("s3-gcs")
def _(objects: Objects) -> None:
    for component in ("api", "operator", "triton"):
        assert reaches(policies(objects), pod(component), INTERNET, 443)
    shown = variables(objects.pods["imagerift-api"])
    assert shown["IMAGERIFT_S3_PUBLIC_URL"] == "https://storage.googleapis.com"
    assert shown["IMAGERIFT_S3_REGION"] == "auto"


@means("s3-minio")
def _(objects: Objects) -> None:
    for component in ("api", "operator", "triton"):
        assert reaches(policies(objects), pod(component), outside("minio"), 9000)
        assert not reaches(policies(objects), pod(component), outside("shop"), 9000)
    assert variables(objects.pods["imagerift-api"])["IMAGERIFT_S3_PUBLIC_URL"] == (
        "https://s3.acme.io"
    )
    # The probe downloads as clients do: by the public name, and the pods that it may lead to.
    probe = variables(objects.pods["imagerift-probe"])
    assert "PROBE_DOWNLOADS_FROM" not in probe
    assert reaches(policies(objects), pod("probe"), INTERNET, 443)
    assert reaches(policies(objects), pod("probe"), outside("ingress-nginx"), 8443)
    assert not reaches(policies(objects), pod("probe"), INTERNET, 22)


@means("s3-ceph")
def _(objects: Objects) -> None:
    runner = Place(
        {"app.kubernetes.io/name": "imagerift-runner", "imagerift.dev/shard": NAMESPACE},
        "imagerift-runners",
    )
    for place in (pod("api"), pod("operator"), pod("triton"), runner):
        assert reaches(policies(objects), place, outside("rook-ceph"), 8080)
        assert not reaches(policies(objects), place, outside("rook-ceph"), 80)


@means("ingress-cert-manager")
def _(objects: Objects) -> None:
    nginx = outside("ingress-nginx")
    assert reaches(policies(objects), nginx, pod("api"), 8080)
    assert reaches(policies(objects), nginx, pod("s3"), 8333)
    assert not reaches(policies(objects), outside("shop"), pod("api"), 8080)
    shown = variables(objects.pods["imagerift-api"])
    assert shown["IMAGERIFT_PUBLIC_URL"] == "https://img.acme.io"
    assert shown["IMAGERIFT_S3_PUBLIC_URL"] == "https://s3.acme.io"
    # One proxy that appends to X-Forwarded-For: the controller.
    assert shown["IMAGERIFT_FORWARDED_HOPS"] == "1"
    for name, secret in (("imagerift-api", "img-acme-io-tls"), ("imagerift-s3", "s3-tls")):
        body = objects.one("Ingress", name)
        assert body["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] == "letsencrypt"
        assert body["spec"]["tls"][0]["secretName"] == secret
        assert body["spec"]["ingressClassName"] == "nginx"


@means("high-availability")
def _(objects: Objects) -> None:
    assert set(objects.pods) == {
        *["imagerift-api", "imagerift-operator", "imagerift-probe"],
        *["imagerift-mongodb", "imagerift-s3"],
    }
    for name, body in objects.pods.items():
        spec = body["spec"]
        assert spec["nodeSelector"] == {"role": "infra"}, name
        assert spec["tolerations"] == [{"key": "infra", "operator": "Exists"}], name
        assert spec["priorityClassName"] == "platform-high", name
    assert objects.one("Deployment", "imagerift-api")["spec"]["replicas"] == 5
    template = pool_template(objects, "default")
    assert (template.min_replicas, template.max_replicas) == (2, 6)
    assert template.priority_class_name == "gpu-batch"


@means("gpu")
def _(objects: Objects) -> None:
    mig, sliced = pool_template(objects, "mig"), pool_template(objects, "sliced")
    assert (mig.gpus, mig.gpu_resource) == (1, "nvidia.com/mig-1g.10gb")
    assert (sliced.gpus, sliced.gpu_resource) == (1, "nvidia.com/gpu.shared")
    assert mig.model_volume is not None and mig.model_volume.claim_name == "sdxl-weights"
    # Set variables win over the pool's file, so what it says of threads is left to it.
    assert [variable.name for variable in mig.env] == ["IMAGERIFT_POOL"]
    assert sliced.env == []


@means("engine")
def _(objects: Objects) -> None:
    engine = pool_template(objects, "sglang").engine
    assert engine is not None and engine.secret is not None
    assert (engine.kind, engine.secret.name, engine.secret.key) == (
        "openai-images", "sglang-key", "api-key",
    )  # fmt: skip
    assert pool_template(objects, "cpu").engine is None
    told = variables(objects.pods["imagerift-operator"])
    assert told["IMAGERIFT_POOL_ENGINE_HOSTS"] == "sglang.gpu.svc"
    assert told["IMAGERIFT_POOL_SECRETS"] == "sglang-key"
    server, stranger = Place({"app": "sglang"}, "gpu"), Place({"app": "sglang"}, NAMESPACE)
    own, other = (Place(pool_labels(name), NAMESPACE) for name in ("sglang", "cpu"))
    assert reaches(policies(objects), own, server, 30000)
    assert not reaches(policies(objects), own, server, 22)
    assert not reaches(policies(objects), own, stranger, 30000)
    assert not reaches(policies(objects), own, INTERNET, 30000)
    assert not reaches(policies(objects), other, server, 30000)


@means("private-registry")
def _(objects: Objects) -> None:
    for name, body in objects.pods.items():
        assert body["spec"]["imagePullSecrets"] == [{"name": "regcred"}], name
        for container in containers(body):
            assert container["image"].startswith("registry.acme.io/"), name
    template, pods = pool_template(objects, "default"), job_pods(objects)
    assert template.image == "registry.acme.io/imagerift/triton:1"
    assert pods.image == "registry.acme.io/imagerift/runner:1"
    assert template.image_pull_secrets == pods.image_pull_secrets == ["regcred"]


@means("openshift")
def _(objects: Objects) -> None:
    for name, body in objects.pods.items():
        security = body["spec"]["securityContext"]
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(security), name
        assert security["runAsNonRoot"] is True, name
    downloads = weights_pods(objects)
    assert downloads is not None and downloads.fs_group is None
    for component in ("api", "operator", "triton", "probe", "mongodb"):
        assert reaches(policies(objects), pod(component), outside("openshift-dns"), 5353)


@means("gitops")
def _(objects: Objects) -> None:
    assert objects.of("Secret") == []
    used = json.dumps(list(objects.pods.values()))
    assert '"imagerift-bundled"' not in used
    assert used.count('"imagerift-bundled-secrets"') >= 8
    assert variables(objects.pods["imagerift-api"])["IMAGERIFT_KEY_PEPPER"] == {
        "secretKeyRef": {"name": "imagerift-api-secrets", "key": "key-pepper"}
    }


@means("external-stores")
def _(objects: Objects) -> None:
    assert not objects.of("StatefulSet") + objects.of("Secret")
    assert reaches(policies(objects), pod("triton"), INTERNET, 443)
    assert reaches(policies(objects), pod("api"), INTERNET, 27017)


@means("proxy")
def _(objects: Objects) -> None:
    proxy = Place(address="10.20.30.40")
    for component in ("api", "operator", "probe"):
        assert reaches(policies(objects), pod(component), proxy, 3128), component
        assert not reaches(policies(objects), pod(component), proxy, 22), component
    # Model servers and job pods go straight to the object store.
    assert not reaches(policies(objects), pod("triton"), proxy, 3128)
    for name in ("imagerift-api", "imagerift-operator", "imagerift-probe"):
        shown = variables(objects.pods[name])
        assert shown["HTTPS_PROXY"] == "http://proxy.acme.io:3128"
        assert shown["NO_PROXY"] == "10.0.0.0/8,.svc"


@means("monitoring")
def _(objects: Objects) -> None:
    for component, port in (("api", 9090), ("operator", 9091)):
        assert reaches(policies(objects), outside("monitoring"), pod(component), port)
    for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule"):
        for body in objects.of(kind):
            assert body["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert len(objects.of("PrometheusRule")) == 1


@means("amounts")
def _(objects: Objects) -> None:
    api = objects.pods["imagerift-api"]["spec"]["containers"][0]["resources"]
    assert api["requests"] == {"cpu": "1", "memory": "1000000000"}
    assert api["limits"] == {"cpu": "1.5", "memory": "1Gi"}
    operator = objects.pods["imagerift-operator"]["spec"]["containers"][0]["resources"]
    assert operator["requests"]["cpu"] == "0.5"
    template = pool_template(objects, "default")
    assert template.resources.requests["cpu"] == "1"
    assert template.resources.requests["ephemeral-storage"] == "20Gi"
    assert template.resources.limits == {"cpu": "4", "memory": "1000000000"}
    assert job_pods(objects).resources.requests == {"cpu": "2"}
    claims = {
        body["metadata"]["name"]: body["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]
        for body in objects.of("StatefulSet")
    }
    assert claims == {
        "imagerift-mongodb": {"requests": {"storage": "10000000000"}},
        "imagerift-s3": {"requests": {"storage": "100E"}},
    }


@means("load-balancer")
def _(objects: Objects) -> None:
    service = objects.one("Service", "imagerift-api")
    assert service["spec"]["type"] == "LoadBalancer"
    assert list(service["metadata"]["annotations"].values()) == ["internal"]
    assert service["spec"]["loadBalancerClass"] == "service.k8s.aws/nlb"
    assert service["spec"]["loadBalancerSourceRanges"] == ["10.0.0.0/8"]
    assert service["spec"]["externalTrafficPolicy"] == "Local"
    # What listens there is the API alone, never its metrics.
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]


@means("moderation")
def _(objects: Objects) -> None:
    told = variables(objects.pods["imagerift-operator"])["IMAGERIFT_MODERATION_MODEL"]
    # The operator tells the servers and job pods that it makes, and asks for it with every job.
    assert told == "our-gate"
    assert "IMAGERIFT_MODERATION_MODEL" not in variables(objects.pods["imagerift-api"])


@means("job-pods-kept")
def _(objects: Objects) -> None:
    keep = job_pods(objects).keep
    assert keep is not None and keep.idle_seconds == 300
    labels = {"app.kubernetes.io/name": "imagerift-runner", "imagerift.dev/shard": NAMESPACE}
    runner = Place(labels, "imagerift-runners")
    assert reaches(policies(objects), pod("operator"), runner, 8000)
    assert not reaches(policies(objects), pod("operator"), runner, 8002)
    assert not reaches(policies(objects), pod("api"), runner, 8000)
    assert not reaches(policies(objects), runner, pod("operator"), 8000)


@means("job-pods-engine")
def _(objects: Objects) -> None:
    pods = job_pods(objects)
    assert pods.weights == ["sdxl"]
    assert pods.engine is not None and pods.engine.origin == "https://sglang.gpu.svc:30000"
    labels = {"app.kubernetes.io/name": "imagerift-runner", "imagerift.dev/shard": NAMESPACE}
    runner = Place(labels, "imagerift-runners")
    server, stranger = Place({"app": "sglang"}, "gpu"), Place({"app": "sglang"}, NAMESPACE)
    assert reaches(policies(objects), runner, server, 30000)
    for other, port in ((server, 22), (server, 443), (stranger, 30000), (INTERNET, 30000)):
        assert not reaches(policies(objects), runner, other, port)
    # Neither do servers of pools, nor what else there is.
    for name in ("triton", "api", "operator"):
        assert not reaches(policies(objects), pod(name), server, 30000)
    assert not reaches(policies(objects), server, runner, 30000)


@means("job-pods-runner-1")
def _(objects: Objects) -> None:
    assert job_pods(objects).image == "registry.example.com/r/runner:1"


@means("job-pods-runner-2")
def _(objects: Objects) -> None:
    assert job_pods(objects).image == "registry.example.com/r/runner:2"


@means("own-variables")
def _(objects: Objects) -> None:
    assert variables(objects.pods["imagerift-api"])["IMAGERIFT_API_HOST"] == "::"
    assert variables(objects.pods["imagerift-operator"])["IMAGERIFT_OPERATOR_HOST"] == "::"
    own, file = pool_template(objects, "default"), pool_template(objects, "file")
    assert [(entry.name, entry.value) for entry in own.env] == [("IMAGERIFT_THREADS", "4")]
    assert [(entry.name, entry.value) for entry in file.env] == [("IMAGERIFT_POOL", "gpu")]


@means("kubectl-pools")
def _(objects: Objects) -> None:
    server = Place(address="198.51.100.7")
    for port in (8000, 9443):
        assert reaches(policies(objects), pod("operator"), server, port)
    assert not reaches(policies(objects), pod("operator"), server, 22)
    assert not reaches(policies(objects), pod("triton"), server, 8000)
    # A pool whose template names another port.
    assert reaches(policies(objects), pod("operator"), pod("triton"), 9000)
    named = variables(objects.pods["imagerift-operator"])["IMAGERIFT_POOL_ENDPOINT_HOSTS"]
    rules = OperatorSettings.model_construct(pool_endpoint_hosts=named).pool_rules()
    for host, allowed in (("198.51.100.7", True), ("198.51.100.8", False)):
        spec = {"endpoint": f"http://{host}:8000", "modes": ["style"]}
        assert (rules.refusal(TritonPoolSpec.model_validate(spec)) is None) is allowed


@means("oidc-inside")
def _(objects: Objects) -> None:
    assert reaches(policies(objects), pod("api"), outside("sso"), 8443)
    assert not reaches(policies(objects), pod("api"), outside("sso"), 8080)
    assert not reaches(policies(objects), pod("operator"), outside("sso"), 8443)
    # Webhooks are as they were: out, and nowhere inside.
    assert reaches(policies(objects), pod("api"), INTERNET, 8443)
    for inside in (outside("shop"), Place(address="10.0.0.9")):
        assert not reaches(policies(objects), pod("api"), inside, 8443)


@means("kubernetes-api")
def _(objects: Objects) -> None:
    found = policies(objects)
    for component in ("api", "operator"):
        for server in ("10.0.0.9", "10.0.0.14"):
            assert reaches(found, pod(component), Place(address=server), 6443), server
        # Nothing else inside, on the very same ports.
        for elsewhere in (Place(address="10.0.0.16"), outside("shop"), pod("triton")):
            for port in (443, 6443):
                allowed = (component, elsewhere) == ("operator", pod("triton"))
                assert reaches(found, pod(component), elsewhere, port) is allowed
    for component in ("triton", "probe", "s3", "mongodb"):
        assert not reaches(found, pod(component), Place(address="10.0.0.9"), 6443), component


@means("s3-token-service-inside")
def _(objects: Objects) -> None:
    found = policies(objects)
    for component in ("api", "operator"):
        assert reaches(found, pod(component), outside("sts"), 8443), component
        assert not reaches(found, pod(component), outside("sts"), 443), component
        assert not reaches(found, pod(component), outside("shop"), 8443), component
    # Model servers hold no credentials, and get none.
    assert not reaches(found, pod("triton"), outside("sts"), 8443)


@means("tracing-by-service")
def _(objects: Objects) -> None:
    for component in ("api", "operator"):
        assert reaches(policies(objects), pod(component), outside("tracing"), 4318)
        assert not reaches(policies(objects), pod(component), outside("tracing"), 80)
        server = Place(address="192.0.2.1")
        assert reaches(policies(objects), pod(component), server, 16443)
    assert not reaches(policies(objects), pod("operator"), Place(address="192.0.2.1"), 6443)
