"""Bills of material: valid, of all that is pinned, and the same for the same locks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from imagerift_local.provision.wheels import REQUIREMENTS
from imagerift_local.settings import CHECKOUT

from supply_chain import sbom
from supply_chain.components import servers


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    written = sbom.write(tmp_path_factory.mktemp("sbom") / "new")
    return {path.name.removesuffix(".cdx.json"): path for path in written}


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_there_is_one_of_every_lock_and_one_of_the_servers(bills: dict[str, Path]) -> None:
    pinning = {path.stem for path in REQUIREMENTS.glob("*.txt") if "==" in path.read_text()}
    assert bills.keys() == pinning - {"models-diffusion-overrides"} | {"servers"}


def test_each_is_valid(bills: dict[str, Path]) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    for path in bills.values():
        assert validator.validate_str(path.read_text()) is None, path.name


def test_each_names_every_package_of_its_lock_by_its_version(bills: dict[str, Path]) -> None:
    for name, path in bills.items():
        if name == "servers":
            continue
        lines = (REQUIREMENTS / f"{name}.txt").read_text().splitlines()
        pinned = {line.split()[0].rstrip("\\").split(";")[0] for line in lines if "==" in line[:60]}
        pinned = {pin for pin in pinned if not pin.startswith(("#", "-"))}
        found = {f"{part['name']}=={part['version']}" for part in read(path)["components"]}
        assert found == pinned, name
        for part in read(path)["components"]:
            assert part["purl"].startswith("pkg:pypi/"), part
    (root,) = {read(path)["metadata"]["component"]["version"] for path in bills.values()}
    assert root == (CHECKOUT / "VERSION").read_text().strip()


def test_the_servers_are_all_that_run(bills: dict[str, Path]) -> None:
    found = {
        (part["name"], part["version"], part["properties"][0]["value"])
        for part in read(bills["servers"])["components"]
    }
    assert found == {(server.name, server.version, server.where) for server in servers()}


def test_the_same_locks_have_the_same_number(bills: dict[str, Path], tmp_path: Path) -> None:
    again = {path.name: read(path)["serialNumber"] for path in sbom.write(tmp_path)}
    assert again == {path.name: read(path)["serialNumber"] for path in bills.values()}
    assert len(set(again.values())) == len(again)
