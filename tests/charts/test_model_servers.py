"""How the operator and the model servers know one another, as the chart says it."""

from __future__ import annotations

import base64
import json

import pytest

from tests.charts.rendering import Helm, Objects, variables


@pytest.fixture(scope="module")
def shipped(helm: Helm) -> Objects:
    return helm.render()


def test_a_token_is_made_apart_from_the_other_secrets(shipped: Objects) -> None:
    (held,) = shipped.one("Secret", "imagerift-models")["data"].items()
    assert held[0] == "model-token"
    token = base64.b64decode(held[1]).decode()
    assert len(token) == 64
    # Nowhere else, in whatever form.
    rest = [body for body in shipped.all if body["metadata"]["name"] != "imagerift-models"]
    assert token not in json.dumps(rest)
    assert held[1] not in json.dumps(rest)


def test_the_operator_alone_reads_it_and_names_it_to_its_servers(shipped: Objects) -> None:
    told = variables(shipped.pods["imagerift-operator"])
    assert told["IMAGERIFT_MODEL_TOKEN"] == {
        "secretKeyRef": {"name": "imagerift-models", "key": "model-token"}
    }
    assert told["IMAGERIFT_MODEL_TOKEN_SECRET"] == "imagerift-models"
    assert "IMAGERIFT_MODEL_TOKEN_HOSTS" not in told
    for name, template in shipped.pods.items():
        if name != "imagerift-operator":
            assert "imagerift-models" not in json.dumps(template)
    for pool in shipped.of("TritonPool"):
        assert "token" not in json.dumps(pool["spec"]).lower()


def test_a_secret_of_ones_own_is_named_in_its_place(helm: Helm) -> None:
    objects = helm.render(values={"secrets": {"existingModelSecret": "mine"}})
    assert "imagerift-models" not in {b["metadata"]["name"] for b in objects.of("Secret")}
    told = variables(objects.pods["imagerift-operator"])
    assert told["IMAGERIFT_MODEL_TOKEN"]["secretKeyRef"]["name"] == "mine"
    assert told["IMAGERIFT_MODEL_TOKEN_SECRET"] == "mine"


def test_a_pools_endpoint_is_told_the_token_only_where_the_values_say_so(helm: Helm) -> None:
    pool = {"endpoint": "http://triton.gpu.svc:8000", "modes": ["style"]}
    more = {"networkPolicies": {"pools": [{"podSelector": {}}]}, "pools": {"mine": pool}}
    told = variables(helm.render(values=more).pods["imagerift-operator"])
    assert "IMAGERIFT_MODEL_TOKEN_HOSTS" not in told
    more["modelServers"] = {"tokenHosts": ["triton.gpu.svc", "192.0.2.7:8000"]}
    told = variables(helm.render(values=more).pods["imagerift-operator"])
    assert told["IMAGERIFT_MODEL_TOKEN_HOSTS"] == "triton.gpu.svc,192.0.2.7:8000"


def test_with_tls_the_operator_has_the_authority_and_no_key(helm: Helm, shipped: Objects) -> None:
    objects = helm.render(values={"modelServers": {"tls": {"existingSecret": "pairs"}}})
    pod = objects.pods["imagerift-operator"]
    told = variables(pod)
    assert told["IMAGERIFT_MODEL_TLS_SECRET"] == "pairs"
    folder, _, file = told["IMAGERIFT_MODEL_TLS_AUTHORITY"].rpartition("/")
    (mount,) = (m for m in pod["spec"]["containers"][0]["volumeMounts"] if m["mountPath"] == folder)
    (volume,) = (v for v in pod["spec"]["volumes"] if v["name"] == mount["name"])
    items = [{"key": "ca.crt", "path": file}]
    assert volume["secret"] == {"secretName": "pairs", "items": items}
    assert mount["readOnly"] is True
    # Who may talk to whom is the same.
    assert objects.of("NetworkPolicy") == shipped.of("NetworkPolicy")
    assert "IMAGERIFT_MODEL_TLS_SECRET" not in variables(shipped.pods["imagerift-operator"])
