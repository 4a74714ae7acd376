"""What is rendered is what clusters take, and is as closed as Pod Security asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from imagerift_api.settings import ApiSettings
from imagerift_core.model_weights import ModelWeightsSpec
from imagerift_core.resources import TritonPoolSpec
from imagerift_local.cluster import RBAC_FILE, TENANTS_FILE, rbac_manifests
from imagerift_operator.settings import OperatorSettings
from imagerift_operator.weights_objects import WeightsObjects
from kubernetes_validate import utils, validate

from tests.charts.rendering import (
    CHARTS,
    CUSTOM,
    DEFINITIONS,
    FOREIGN,
    NAMESPACE,
    Helm,
    Manifest,
    Objects,
    containers,
    variables,
    weights_pods,
)
from tests.unit.charts.variables import chart_variables
from tests.unit.core.structural import faults

CLUSTERS = [f"1.{minor}" for minor in range(29, 38)]
DEPRECATED = {"policy/v1beta1", "autoscaling/v2beta2", "autoscaling/v2beta1", "batch/v1beta1"}
KNOWN_TO_120 = {
    *["v1", "apps/v1", "policy/v1beta1", "autoscaling/v2beta2", "networking.k8s.io/v1"],
    *["rbac.authorization.k8s.io/v1", "imagerift.dev/v1", "apiextensions.k8s.io/v1"],
}
ON_GPUS = ["gpu-l4", "gpu-h100", "gpu-mig"]
CURRENT = ["default", "production", "shard", "try-out", "gpu", *ON_GPUS]


@pytest.fixture(scope="session")
def definitions(helm: Helm) -> Objects:
    return helm.render(DEFINITIONS)


@pytest.fixture(scope="session")
def standard(examples: dict[str, Objects], definitions: Objects) -> list[Manifest]:
    """Every different object of Kubernetes' own kinds that any example makes."""
    found = {
        json.dumps(body, sort_keys=True): body
        for objects in [*(examples[name] for name in CURRENT), definitions]
        for body in objects.all
        if body["kind"] not in FOREIGN | CUSTOM
    }
    return list(found.values())


@pytest.mark.parametrize("version", CLUSTERS)
def test_the_schemas_of_every_current_kubernetes_take_it(
    standard: list[Manifest], version: str, quick_schemas: None
) -> None:
    for body in standard:
        assert validate(body, version, strict=True) == version, body["metadata"]["name"]


def test_those_schemas_refuse_what_is_wrong(
    examples: dict[str, Objects], quick_schemas: None
) -> None:
    body = examples["default"].one("Deployment", "imagerift-api")
    with pytest.raises(utils.ValidationError, match="unexpected"):
        validate(body | {"spec": body["spec"] | {"replica": 1}}, "1.37", strict=True)


def test_pools_fit_the_definition(examples: dict[str, Objects], definitions: Objects) -> None:
    definition = definitions.one("CustomResourceDefinition", "tritonpools.imagerift.dev")
    (version,) = definition["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    pools = [pool for objects in examples.values() for pool in objects.of("TritonPool")]
    assert len(pools) >= 5
    for pool in pools:
        assert list(faults(schema, pool["spec"])) == []
        TritonPoolSpec.model_validate(pool["spec"])


def test_no_deprecated_api_is_used(examples: dict[str, Objects]) -> None:
    for name in CURRENT:
        assert DEPRECATED.isdisjoint({body["apiVersion"] for body in examples[name].all})


def test_with_the_switch_only_what_1_20_knows_is_used(
    examples: dict[str, Objects], helm: Helm
) -> None:
    used = {body["apiVersion"] for body in examples["kubernetes-1.20"].all}
    assert used <= KNOWN_TO_120
    assert {"policy/v1beta1", "autoscaling/v2beta2"} <= used
    old = helm.render(DEFINITIONS, values={"compatibility": {"kubernetes120": True}})
    assert "x-kubernetes-validations" not in yaml.safe_dump(old.all)


def test_definitions_are_rendered_whole(definitions: Objects) -> None:
    for path in (CHARTS.parent / "crds").iterdir():
        source = yaml.safe_load(path.read_text())
        rendered = definitions.one("CustomResourceDefinition", source["metadata"]["name"])
        assert rendered["spec"] == source["spec"]
        assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_every_pod_keeps_to_pod_security_restricted(examples: dict[str, Objects]) -> None:
    for example, objects in examples.items():
        for name, pod in objects.pods.items():
            spec, where = pod["spec"], f"{example}: {name}"
            security = spec["securityContext"]
            assert security["runAsNonRoot"] is True and security["runAsUser"] >= 10000, where
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where
            assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), where
            for volume in spec["volumes"]:
                kinds = set(volume) - {"name"}
                assert kinds <= {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}, where
            for container in containers(pod):
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }, where
                assert {"requests", "limits"} <= set(container["resources"]), where
                assert "hostPort" not in json.dumps(container.get("ports", [])), where


def test_only_the_api_and_the_operator_hold_a_kubernetes_token(
    examples: dict[str, Objects],
) -> None:
    for objects in examples.values():
        for name, pod in objects.pods.items():
            trusted = name in {"imagerift-api", "imagerift-operator"}
            account = pod["spec"]["serviceAccountName"]
            assert pod["spec"]["automountServiceAccountToken"] is trusted
            assert account == (name if trusted else "imagerift-powerless")
        bound = {
            subject["name"]
            for binding in objects.of("RoleBinding")
            for subject in binding["subjects"]
        }
        assert bound == {"imagerift-api", "imagerift-operator"}
        assert not objects.of("ClusterRole") + objects.of("ClusterRoleBinding")


def test_the_charts_rights_are_those_of_the_embedded_platform(
    examples: dict[str, Objects], helm: Helm
) -> None:
    alone = RBAC_FILE.read_text()
    with_tenants = helm.render(values={"tenants": {"enabled": True}})
    for objects, text in (
        (examples["default"], alone),
        (with_tenants, alone + TENANTS_FILE.read_text()),
    ):
        for body in rbac_manifests(text, NAMESPACE):
            rendered = objects.one(body["kind"], body["metadata"]["name"])
            for field in ("rules", "roleRef", "subjects"):
                assert rendered.get(field) == body.get(field)
            assert rendered["metadata"]["namespace"] == NAMESPACE


def test_only_where_tenants_are_resources_may_the_operator_make_secrets(
    examples: dict[str, Objects], helm: Helm
) -> None:
    def of_operator(objects: Objects) -> str:
        return json.dumps(objects.one("Role", "imagerift-operator")["rules"])

    assert "secrets" not in of_operator(examples["default"])
    assert "IMAGERIFT_KEY_PEPPER" not in variables(examples["default"].pods["imagerift-operator"])
    enabled = helm.render(values={"tenants": {"enabled": True}})
    (rule,) = [
        rule
        for rule in enabled.one("Role", "imagerift-operator")["rules"]
        if "secrets" in rule["resources"]
    ]
    assert rule["verbs"] == ["create"]
    assert variables(enabled.pods["imagerift-operator"])["IMAGERIFT_TENANTS"] == "true"


def test_an_operator_of_tenants_makes_webhooks_as_the_api_does(helm: Helm) -> None:
    """With another key the API could not open their secrets; with other bounds it would refuse."""
    webhooks = {"refusedNetworks": ["10.0.0.0/8"], "allowedHosts": ["hooks.test:8443"]}
    pods = helm.render(values={"tenants": {"enabled": True}, "api": {"webhooks": webhooks}}).pods
    told = [
        {name: value for name, value in variables(pods[part]).items() if "WEBHOOK" in name}
        for part in ("imagerift-api", "imagerift-operator")
    ]
    assert told[0] == told[1]
    assert set(told[0]) == {
        "IMAGERIFT_WEBHOOK_KEY",
        "IMAGERIFT_WEBHOOK_REFUSED_NETWORKS",
        "IMAGERIFT_WEBHOOK_ALLOWED_HOSTS",
    }


def test_helm_test_knows_neither_the_database_nor_the_pepper(examples: dict[str, Objects]) -> None:
    for objects in examples.values():
        for name in objects.pods.keys() & {"imagerift-probe"}:
            known = set(variables(objects.pods[name]))
            assert "IMAGERIFT_ADMIN_TOKEN" in known
            assert not known & {"IMAGERIFT_MONGO_URL", "IMAGERIFT_KEY_PEPPER"}


@pytest.mark.parametrize(
    ("name", "settings"),
    [("imagerift-api", ApiSettings), ("imagerift-operator", OperatorSettings)],
)
def test_every_setting_can_be_set_and_no_other_variable_is(
    helm: Helm, name: str, settings: Any
) -> None:
    plan = {
        **{"apiAccess": True, "requestsPerMinute": 1, "unitsPerMonth": 1, "maxExport": "4k"},
        **{"band": 0, "quotaScope": "team", "retentionDays": 1},
    }
    mode = {
        **{"model": "generate", "promptRequired": False, "presetRequired": False, "presets": []},
        **{"exportSizes": ["base"], "maxVariations": 1, "attemptSeconds": 60},
    }
    everything = {
        "api": {
            "publicUrl": "https://api.example.com",
            "oidc": {"issuer": "https://login.example.com", "clientId": "x"},
            "signInUsers": True,
            "webhooks": {"refusedNetworks": ["192.0.2.0/24"], "allowedHosts": ["a:1"]},
        },
        "plans": {"team": plan},
        "modes": {"style": mode},
        "secrets": {"existingSecret": "mine"},
        "mongodb": {
            **{"bundled": {"enabled": False}, "existingSecret": {"name": "mine"}},
            "tls": {"caSecret": "ca", "clientSecret": "client"},
        },
        "modelServers": {"tokenHosts": ["triton.example"], "tls": {"existingSecret": "pairs"}},
        "jobTtlSeconds": 60,
        "jobPods": {"enabled": True},
        "moderationModel": "our-gate",
        "tenants": {"enabled": True},
        "tracing": {"endpoint": "http://collector:4318"},
        "networkPolicies": {"tracing": [{"podSelector": {}}], "mongodb": [{"podSelector": {}}]},
    }
    rendered = set(variables(helm.render(values=everything).pods[name]))
    assert rendered == chart_variables(settings)


def test_no_secret_is_written_into_a_pod(examples: dict[str, Objects]) -> None:
    secret = {"IMAGERIFT_MONGO_URL", "IMAGERIFT_KEY_PEPPER", "IMAGERIFT_OIDC_CLIENT_SECRET"}
    secret |= {"IMAGERIFT_S3_ACCESS_KEY", "IMAGERIFT_S3_SECRET_KEY", "IMAGERIFT_SESSION_KEY"}
    secret |= {"IMAGERIFT_MODEL_TOKEN", "IMAGERIFT_ADMIN_TOKEN"}
    for objects in examples.values():
        for pod in objects.pods.values():
            for name, value in variables(pod).items():
                assert isinstance(value, dict) == (name in secret | {"IMAGERIFT_WEBHOOK_KEY"})


def test_existing_secrets_leave_nothing_to_generate(examples: dict[str, Objects]) -> None:
    assert examples["production"].of("Secret") == []
    names = {body["metadata"]["name"] for body in examples["default"].of("Secret")}
    assert names == {"imagerift-api", "imagerift-bundled", "imagerift-models"}


def test_a_digest_wins_over_the_tag(examples: dict[str, Objects]) -> None:
    image = examples["production"].pods["imagerift-api"]["spec"]["containers"][0]["image"]
    assert image.startswith("registry.example.com/imagerift/api@sha256:")


def test_the_autoscaler_alone_says_how_many_replicas_there_are(
    examples: dict[str, Objects],
) -> None:
    scaled = examples["production"]
    assert "replicas" not in scaled.one("Deployment", "imagerift-api")["spec"]
    spec = scaled.one("HorizontalPodAutoscaler", "imagerift-api")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 12)


def test_every_workload_of_more_pods_is_spread_and_kept_by_a_budget(
    examples: dict[str, Objects],
) -> None:
    objects = examples["default"]
    budgets = {b["metadata"]["name"]: b for b in objects.of("PodDisruptionBudget")}
    for body in objects.of("Deployment"):
        name = body["metadata"]["name"]
        selector = body["spec"]["selector"]
        assert budgets[name]["spec"]["selector"] == selector
        constraints = body["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert [c["labelSelector"] for c in constraints] == [selector, selector]


def test_current_kubernetes_takes_what_is_made_for_weights(
    examples: dict[str, Objects], quick_schemas: None
) -> None:
    pods = weights_pods(examples["production"])
    assert pods is not None and pods.image.startswith("registry.example.com/imagerift/weights:")
    spec = {"acceptLicence": "MIT", "source": "hf://a/b@c", "storage": {"size": "1Gi"}}
    hub = WeightsObjects("w", "UID", ModelWeightsSpec.model_validate(spec))
    image = f"oci://registry/w@sha256:{'0' * 64}"
    by_image = ModelWeightsSpec.model_validate({"acceptLicence": "MIT", "source": image})
    probe = WeightsObjects("w", "UID", by_image).image_volume_job()
    assert hub.spec.storage is not None
    for body in (hub.claim(hub.spec.storage), hub.download_job(pods)):
        for version in CLUSTERS:
            assert validate(body, version, strict=True) == version
    assert validate(probe, CLUSTERS[-1], strict=True) == CLUSTERS[-1]
    with pytest.raises(utils.ValidationError, match="image"):
        validate(probe, "1.29", strict=True)


def test_an_installation_whose_image_has_no_home_downloads_nothing(helm: Helm) -> None:
    at_home = {name: {"repository": f"r.io/{name}"} for name in ("api", "operator", "triton")}
    values = {"global": {"imageRegistry": ""}, "images": at_home}
    assert weights_pods(helm.render(values=values)) is None


def test_kubernetes_own_roles_show_no_prompt_and_change_no_pool(helm: Helm) -> None:
    def parts(values: dict[str, bool]) -> dict[str, list[str]]:
        return {
            body["metadata"]["name"]: [
                label for label in body["metadata"]["labels"] if "aggregate-to" in label
            ]
            for body in helm.render(DEFINITIONS, values=values).of("ClusterRole")
        }

    assert set(map(tuple, parts({}).values())) == {()}
    assert parts({"aggregateRoles": True}) == {
        "imagerift-viewer": ["rbac.authorization.k8s.io/aggregate-to-view"],
        "imagerift-job-author": [],
        "imagerift-job-editor": ["rbac.authorization.k8s.io/aggregate-to-edit"],
        "imagerift-pool-admin": [],
        "imagerift-tenant-admin": [],
        "imagerift-plan-admin": [],
    }


def test_who_makes_jobs_changes_and_ends_nobodys(helm: Helm) -> None:
    author = helm.render(DEFINITIONS).one("ClusterRole", "imagerift-job-author")
    (rule,) = author["rules"]
    assert (rule["apiGroups"], rule["resources"]) == (["imagerift.dev"], ["generationjobs"])
    assert set(rule["verbs"]) == {"get", "list", "watch", "create"}


@pytest.mark.parametrize(
    ("chart", "version", "old", "refused"),
    [
        (CHARTS / "imagerift", "1.28.5", False, True),
        (CHARTS / "imagerift", "1.29.0-eks-1", False, False),
        (CHARTS / "imagerift", "1.20.2", True, False),
        (CHARTS / "imagerift", "1.25.0", True, True),
        (DEFINITIONS, "1.24.17", False, True),
        (DEFINITIONS, "1.24.17", True, False),
    ],
)
def test_a_cluster_that_the_charts_are_not_for_is_refused_when_they_are_rendered(
    helm: Helm, chart: Path, version: str, old: bool, refused: bool
) -> None:
    values = {"compatibility": {"kubernetes120": old}}
    done = helm.template(chart, values=values, kubernetes=version)
    assert (done.returncode != 0) is refused, done.stderr
    assert ("compatibility.kubernetes120:" in done.stderr) is refused
