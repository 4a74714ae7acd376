"""What the files mean that say how a cluster or a cloud is: pods, names, roads, certificates."""

from __future__ import annotations

import json
from typing import Any

from imagerift_core.resources import TritonPoolSpec
from imagerift_operator.job_pod_objects import run_job
from imagerift_operator.pool_objects import deployment
from imagerift_operator.settings import OperatorSettings
from kubernetes_validate import validate

from tests.charts.meaning import INTERNET, means, outside, policies
from tests.charts.network import Place, pod, reaches
from tests.charts.rendering import (
    NAMESPACE,
    Manifest,
    Objects,
    containers,
    job_pods,
    pool_template,
    variables,
    weights_pods,
)

OURS = ("imagerift-api", "imagerift-operator", "imagerift-probe")
AGENT = Place(address="169.254.170.23")


def mounted(pod_template: Manifest, path: str) -> dict[str, Any]:
    """The volume that the pod's first container has at `path`."""
    spec = pod_template["spec"]
    (name,) = [
        mount["name"]
        for mount in spec["containers"][0]["volumeMounts"]
        if mount["mountPath"] == path
    ]
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == name]
    return dict(volume)


@means("mongodb-own-ca")
def _(objects: Objects) -> None:
    # The test of `helm test` goes by the API alone.
    assert "mongodb-tls" not in json.dumps(objects.pods["imagerift-probe"])
    for name in ("imagerift-api", "imagerift-operator"):
        shown = variables(objects.pods[name])
        volume = mounted(objects.pods[name], "/etc/imagerift-mongodb")
        files = {
            f"/etc/imagerift-mongodb/{item['path']}": (source["secret"]["name"], item["key"])
            for source in volume["projected"]["sources"]
            for item in source["secret"]["items"]
        }
        assert files[shown["IMAGERIFT_MONGO_CA_FILE"]] == ("percona-ca", "ca.crt"), name
        client = files[shown["IMAGERIFT_MONGO_CLIENT_CERTIFICATE_FILE"]]
        assert client == ("imagerift-client", "tls-combined.pem"), name


@means("s3-irsa")
def _(objects: Objects) -> None:
    for name in ("api", "operator"):
        account = objects.one("ServiceAccount", f"imagerift-{name}")
        assert account["metadata"]["annotations"] == {
            "eks.amazonaws.com/role-arn": f"arn:aws:iam::1:role/{name}"
        }
        shown = variables(objects.pods[f"imagerift-{name}"])
        assert not {"IMAGERIFT_S3_ACCESS_KEY", "IMAGERIFT_S3_SECRET_KEY"} & set(shown)
        assert shown["IMAGERIFT_S3_ADDRESSING"] == "virtual"
        # The token service, though the Kubernetes API is elsewhere.
        assert reaches(policies(objects), pod(name), INTERNET, 443)


@means("s3-pod-identity")
def _(objects: Objects) -> None:
    assert "s3-access-key" not in json.dumps(objects.all)
    for component in ("api", "operator"):
        assert reaches(policies(objects), pod(component), AGENT, 80)
    # Model servers hold no credentials, and get none.
    for component in ("triton", "probe"):
        assert not reaches(policies(objects), pod(component), AGENT, 80)


@means("gateway")
def _(objects: Objects) -> None:
    assert objects.of("Ingress") == []
    route = objects.one("HTTPRoute", "imagerift-api")
    assert route["spec"]["parentRefs"] == [{"name": "eg", "namespace": "infra"}]
    assert route["spec"]["hostnames"] == ["img.acme.io", "img.acme.com"]
    for name in ("imagerift-api", "imagerift-s3"):
        (rule,) = objects.one("HTTPRoute", name)["spec"]["rules"]
        (backend,) = rule["backendRefs"]
        service = objects.one("Service", backend["name"])
        assert backend["port"] in [port["port"] for port in service["spec"]["ports"]]
    shown = variables(objects.pods["imagerift-api"])
    assert shown["IMAGERIFT_PUBLIC_URL"] == "https://img.acme.io"
    assert shown["IMAGERIFT_S3_PUBLIC_URL"] == "https://s3.acme.io"
    assert shown["IMAGERIFT_FORWARDED_HOPS"] == "1"
    for component, port in (("api", 8080), ("s3", 8333)):
        assert reaches(policies(objects), outside("infra"), pod(component), port)


@means("common-labels")
def _(objects: Objects) -> None:
    for body in objects.all:
        assert body["metadata"]["labels"]["team"] == "ml", body["metadata"]["name"]
    for name, body in objects.pods.items():
        assert body["metadata"]["labels"]["team"] == "ml", name
    # What selects pods stays as it was: it cannot be changed in an upgrade.
    for body in [*objects.of("Deployment"), *objects.of("StatefulSet")]:
        assert "team" not in body["spec"]["selector"]["matchLabels"]
    api = objects.pods["imagerift-api"]["metadata"]
    assert api["labels"]["azure.workload.identity/use"] == "true"
    assert api["annotations"]["sidecar.istio.io/inject"] == "false"
    assert servers(objects, "default")["metadata"]["labels"]["team"] == "ml"
    operator = objects.pods["imagerift-operator"]["metadata"]
    assert "azure.workload.identity/use" not in operator["labels"]


@means("own-ca-mounted")
def _(objects: Objects) -> None:
    api = objects.pods["imagerift-api"]
    assert mounted(api, "/etc/acme")["configMap"] == {"name": "acme-ca"}
    found = {one["name"]: one for one in containers(api)}
    assert set(found) == {"api", "wait", "logs"}
    assert found["wait"]["securityContext"] == found["api"]["securityContext"]
    # What is said is added, and what is not stays closed.
    assert found["logs"]["securityContext"] == {
        **found["api"]["securityContext"],
        "runAsUser": 70000,
    }
    assert "acme" not in json.dumps(objects.pods["imagerift-operator"])


@means("trust")
def _(objects: Objects) -> None:
    for name in OURS:
        spec = objects.pods[name]["spec"]
        shown = variables(objects.pods[name])
        (bundle,) = {
            shown[variable] for variable in ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
        }
        assert bundle == "/etc/imagerift-trust/ca.crt"
        made = mounted(objects.pods[name], "/etc/imagerift-trust")
        (maker,) = spec["initContainers"]
        homes = {mount["name"]: mount["mountPath"] for mount in maker["volumeMounts"]}
        assert f"> {homes[made['name']]}/ca.crt" in maker["command"][-1], name
        assert "/etc/ssl/certs/ca-certificates.crt /source/ca.crt" in maker["command"][-1]
        (source,) = [volume for volume in spec["volumes"] if "configMap" in volume][-1:]
        assert homes[source["name"]] == "/source"
        assert source["configMap"] == {
            "name": "acme-ca",
            "items": [{"key": "bundle.pem", "path": "ca.crt"}],
        }
    (server,) = servers(objects, "default")["spec"]["containers"]
    files = {one["name"]: one["value"] for one in server["env"]}
    assert files["SSL_CERT_FILE"] == "/etc/imagerift-trust/ca.crt"
    assert "/etc/imagerift-trust" in [mount["mountPath"] for mount in server["volumeMounts"]]
    pods = weights_pods(objects)
    assert pods is not None and [mount.name for mount in pods.volume_mounts] == ["trust"]
    told = {one.name: one.value for one in pods.env}
    # Beside the system's: weights come from the internet too.
    assert told == {"IMAGERIFT_WEIGHTS_CA_FILE": "/etc/imagerift-trust/ca.crt"}


@means("env-from")
def _(objects: Objects) -> None:
    api = objects.pods["imagerift-api"]
    assert variables(api)["A"] == {"secretKeyRef": {"name": "a", "key": "b"}}
    assert variables(api)["IMAGERIFT_API_HOST"] == "::"
    assert api["spec"]["containers"][0]["envFrom"] == [{"configMapRef": {"name": "more"}}]
    operator = objects.pods["imagerift-operator"]["spec"]["containers"][0]
    assert operator["envFrom"] == [{"secretRef": {"name": "more", "optional": True}}]


@means("keda")
def _(objects: Objects) -> None:
    scaler = objects.one("ScaledObject", "default")
    target = scaler["spec"]["scaleTargetRef"]
    pool = objects.one(target["kind"], target["name"])
    assert target["apiVersion"] == pool["apiVersion"]
    assert scaler["metadata"]["namespace"] == pool["metadata"]["namespace"]
    assert scaler["spec"]["maxReplicaCount"] == pool_template(objects, "default").max_replicas
    assert "pictures" in scaler["spec"]["triggers"][0]["metadata"]["query"]


@means("global-registry")
def _(objects: Objects) -> None:
    images = {one["image"] for body in objects.pods.values() for one in containers(body)}
    images |= {pool_template(objects, "default").image, job_pods(objects).image}
    pods = weights_pods(objects)
    assert pods is not None
    images.add(pods.image)
    assert {image.rpartition(":")[0] for image in images} == {
        f"registry.acme.io/mirror/{name}"
        for name in (
            *("imagerift/api", "imagerift/operator", "imagerift/triton", "imagerift/runner"),
            "imagerift/weights",
            *("library/mongo", "chrislusf/seaweedfs"),
        )
    }


@means("ingress-hosts")
def _(objects: Objects) -> None:
    spec = objects.one("Ingress", "imagerift-api")["spec"]
    assert [rule["host"] for rule in spec["rules"]] == ["a.io", "b.io"]
    assert spec["tls"] == [{"hosts": ["a.io"], "secretName": "a-tls"}]
    assert variables(objects.pods["imagerift-api"])["IMAGERIFT_PUBLIC_URL"] == "https://a.io"


ORIGIN = "https://s3.example.com"


def servers(objects: Objects, pool: str) -> Manifest:
    """The pods that the operator makes of a rendered pool, once it has found it allowed."""
    lists = {
        name.removeprefix("IMAGERIFT_").lower(): value
        for name, value in variables(objects.pods["imagerift-operator"]).items()
        if name.startswith("IMAGERIFT_POOL_")
    }
    spec = TritonPoolSpec.model_validate(objects.one("TritonPool", pool)["spec"])
    assert OperatorSettings.model_construct(**lists).pool_rules().refusal(spec) is None
    assert spec.template is not None
    body = deployment(pool, "UID", spec.template, replicas=1, s3_origin=ORIGIN)
    for version in ("1.34", "1.37"):
        assert validate(body, version, strict=True) == version
    return dict(body["spec"]["template"])


@means("pool-affinity")
def _(objects: Objects) -> None:
    made = servers(objects, "g")
    (term,) = made["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]["nodeSelectorTerms"]
    assert term == {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}
    assert made["metadata"]["annotations"] == {
        "sidecar.istio.io/inject": "false",
        "karpenter.sh/do-not-disrupt": "true",
    }
    assert made["metadata"]["labels"]["team"] == "ml"


@means("pool-dra")
def _(objects: Objects) -> None:
    spec = servers(objects, "g")["spec"]
    assert spec["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": "h100"}]
    assert spec["containers"][0]["resources"]["claims"] == [{"name": "gpu"}]


@means("pool-env-from")
def _(objects: Objects) -> None:
    spec = servers(objects, "g")["spec"]
    (server,), (fetch,) = spec["containers"], spec["initContainers"]
    (token,) = [one for one in server["env"] if one["name"] == "HF_TOKEN"]
    assert token["valueFrom"] == {"secretKeyRef": {"name": "hf", "key": "token"}}
    assert server["envFrom"] == [{"configMapRef": {"name": "more"}}]
    assert fetch["envFrom"] == [{"secretRef": {"name": "hf-more"}}]
    assert fetch["securityContext"] == server["securityContext"]
    assert fetch["resources"] == {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}}
    mounts = {mount["mountPath"]: mount for mount in server["volumeMounts"]}
    assert mounts["/weights"]["readOnly"] is True
    names = [volume["name"] for volume in spec["volumes"]]
    assert {mount["name"] for mount in mounts.values()} <= set(names)
    assert len(names) == len(set(names))
    assert spec["serviceAccountName"] == "weights"
    # Where the weights are, and nowhere else.
    assert reaches(policies(objects), pod("triton"), INTERNET, 443)
    assert not reaches(policies(objects), pod("triton"), INTERNET, 80)
    assert not reaches(policies(objects), pod("triton"), Place(address="203.0.113.1"), 443)
    assert spec["automountServiceAccountToken"] is False


@means("pool-topology")
def _(objects: Objects) -> None:
    made = servers(objects, "g")
    (spread,) = made["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == (
        "topology.kubernetes.io/zone",
        "DoNotSchedule",
    )
    assert spread["labelSelector"]["matchLabels"].items() <= made["metadata"]["labels"].items()


@means("kueue")
def _(objects: Objects) -> None:
    body = run_job("RUN", NAMESPACE, job_pods(objects), deadline_seconds=600, s3_origin=ORIGIN)
    for version in ("1.29", "1.37"):
        assert validate(body, version, strict=True) == version
    labels = body["metadata"]["labels"]
    queue, priority = "kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/priority-class"
    assert (labels[queue], labels[priority], body["spec"]["suspend"]) == ("gpu", "batch", True)
    made = body["spec"]["template"]["metadata"]
    # Kueue admits the Job; a pod of that label it would admit once more.
    assert queue not in made["labels"]
    busy = {
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
    }
    assert made["annotations"] == busy
    own = job_pods(objects).model_copy(update={"pod_annotations": {"a": "b"}})
    moved = own.model_copy(update={"do_not_disrupt": False, "queue": None})
    for pods, wanted, suspended in ((own, busy | {"a": "b"}, True), (moved, {"a": "b"}, None)):
        body = run_job("RUN", NAMESPACE, pods, deadline_seconds=600, s3_origin=ORIGIN)
        assert body["spec"]["template"]["metadata"]["annotations"] == wanted
        assert body["spec"].get("suspend") is suspended
