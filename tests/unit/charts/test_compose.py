"""compose.yaml: its services run what the images have, with settings that the programs take."""

from __future__ import annotations

import json
import re
from string import Template
from typing import Any

import pytest
import yaml
from imagerift_api.settings import ApiSettings
from imagerift_core.resources import TritonPoolSpec
from imagerift_local.settings import CHECKOUT
from imagerift_operator.settings import OperatorSettings

from charts.schema.values import Values
from tests.unit.charts.test_images import IMAGES, STAGES, instructions

GIVEN = {
    "IMAGERIFT_KEY_PEPPER": "ab" * 32,
    "IMAGERIFT_ADMIN_TOKEN": "01" * 32,
    "IMAGERIFT_S3_SECRET_KEY": "cd" * 16,
    "IMAGERIFT_S3_ADMINISTRATOR_KEY": "ef" * 16,
}


def interpolated(text: str) -> str:
    """As Compose does it, with the variables that have no default."""

    def value(found: re.Match[str]) -> str:
        name, default = found["name"], found["default"]
        assert name in GIVEN or default is not None, f"{name} has no value"
        return GIVEN.get(name, default or "")

    return re.sub(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?[^}]*)?\}", value, text)


COMPOSE: dict[str, Any] = yaml.safe_load(interpolated((CHECKOUT / "compose.yaml").read_text()))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "imagerift/" in service["image"]}


def networks(name: str) -> set[str]:
    """Those of a service, or of the one whose network it is in."""
    service = SERVICES[name]
    shared = service.get("network_mode", "").removeprefix("service:")
    return networks(shared) if shared else set(service["networks"])


def test_each_image_of_ours_is_built_once_from_a_stage_of_the_dockerfile() -> None:
    built = {name: service["build"] for name, service in OURS.items() if "build" in service}
    assert {build["target"] for build in built.values()} == set(IMAGES) - {"runner", "weights"}
    for name, build in built.items():
        assert build["target"] == name and build["dockerfile"] == "images/Dockerfile"
        assert SERVICES[name]["image"] == f"imagerift/{name}:compose"
    made = {SERVICES[name]["image"] for name in built}
    assert {service["image"] for service in OURS.values()} == made


def test_what_is_run_is_in_the_image() -> None:
    for name, service in OURS.items():
        if "entrypoint" not in service:
            # The image's own.
            assert instructions(name, "ENTRYPOINT") and "command" not in service
            continue
        program, script = service["entrypoint"]
        assert program == "python" and "python3 -m venv" in str(STAGES["api-installed"])
        (mounted,) = service["volumes"]
        source, target, mode = mounted.split(":")
        assert (target, mode) == (script, "ro") and (CHECKOUT / source).is_file()


def test_the_servers_of_others_are_those_of_the_chart_with_its_flags() -> None:
    shipped = Values().images
    for name, image in (("mongodb", shipped.mongodb), ("s3", shipped.s3)):
        assert SERVICES[name]["image"] == f"docker.io/{image.repository}:{image.tag}"
    text = (CHECKOUT / "charts" / "imagerift" / "templates" / "bundled.yaml").read_text()
    flags = set(re.findall(r"^ +- (-{1,2}[^{\n]+)$", text, re.MULTILINE))
    for name in ("mongodb", "s3"):
        given = {flag for flag in SERVICES[name]["command"] if flag.startswith("-")}
        assert given <= flags, given - flags


@pytest.mark.parametrize(
    ("name", "settings"), [("api", ApiSettings), ("operator", OperatorSettings)]
)
def test_the_programs_take_their_settings(
    monkeypatch: pytest.MonkeyPatch, name: str, settings: type[Any]
) -> None:
    environment: dict[str, str] = SERVICES[name]["environment"]
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    made = settings()
    known = {f"IMAGERIFT_{field.upper()}" for field in type(made).model_fields} | {"KUBECONFIG"}
    assert environment.keys() <= known
    assert made.s3_public_url == "http://127.0.0.1:8333"


def test_the_pool_is_valid_and_allowed() -> None:
    namespace, pool = yaml.safe_load_all(COMPOSE["configs"]["pool"]["content"])
    assert namespace["metadata"]["name"] == pool["metadata"]["namespace"] == "imagerift"
    spec = TritonPoolSpec.model_validate(pool["spec"])
    assert spec.endpoint == "http://triton:8000"
    assert SERVICES["operator"]["environment"]["IMAGERIFT_POOL_ENDPOINT_HOSTS"] == "triton"


def test_the_servers_users_are_those_of_the_chart() -> None:
    keys = {
        "s3_access_key": "imagerift",
        "s3_secret_key": GIVEN["IMAGERIFT_S3_SECRET_KEY"],
        "s3_administrator_key": GIVEN["IMAGERIFT_S3_ADMINISTRATOR_KEY"],
    }
    text = (CHECKOUT / "charts/imagerift/files/seaweedfs-identities.yaml").read_text()
    wanted = yaml.safe_load(Template(text).substitute(keys, bucket="imagerift"))
    made = json.loads(COMPOSE["configs"]["identities"]["content"])
    for document in (made, wanted):
        for policy in document["policies"]:
            policy["content"] = json.loads(policy["content"])
    assert made == wanted
    for name in ("s3", "bucket"):
        (config,) = SERVICES[name]["configs"]
        assert config == {"source": "identities", "target": "/secret/identities.json"}
    api = SERVICES["api"]["environment"]
    told = (api["IMAGERIFT_S3_ACCESS_KEY"], api["IMAGERIFT_S3_SECRET_KEY"])
    assert told == (keys["s3_access_key"], keys["s3_secret_key"])


def test_a_model_server_reaches_neither_database_nor_outside() -> None:
    assert networks("triton") == {"models"} and COMPOSE["networks"]["models"]["internal"]
    assert networks("mongodb") == {"stores"}
    assert networks("api") == networks("operator") == {"stores", "models"}
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"k3s", "s3"}
    for name in ("k3s", "s3"):
        (port,) = SERVICES[name]["ports"]
        assert port.startswith("127.0.0.1:")


def test_everything_that_is_mounted_or_waited_for_is_there() -> None:
    for service in SERVICES.values():
        for waited in service.get("depends_on", ()):
            assert waited in SERVICES
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            there = (CHECKOUT / source).is_file() if source.startswith("./") else None
            assert there if there is not None else source in COMPOSE["volumes"], source
        for config in service.get("configs", ()):
            assert config["source"] in COMPOSE["configs"]
