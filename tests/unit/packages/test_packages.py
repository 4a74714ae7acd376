"""Five distributions of one version, each with its own lock; the client without the servers."""

from __future__ import annotations

import re
import subprocess
import zipfile
from email import message_from_string
from email.message import Message
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from imagerift_local.provision.wheels import REQUIREMENTS
from imagerift_local.settings import CHECKOUT
from imagerift_node.images.build import project_version

from tests.support.parts import (
    PARTS,
    build_wheels,
    install_client_alone,
    parts_with,
    project,
    requirements,
    uv,
)

PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
HASH = re.compile(r"sha256:[0-9a-f]{64}")
PACKAGES_AT_MOST = 30
INSTALLED = """
from importlib.metadata import distributions
print(*sorted(found.name for found in distributions()), sep="\\n")
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    built = build_wheels(uv(), PARTS, folder, folder / "log")
    named = {path.name.split("-")[0].replace("_", "-"): path for path in built}
    return {part: named[project(part)["name"]] for part in PARTS}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bin` of an environment with the client alone."""
    return install_client_alone(tmp_path_factory.mktemp("client"))


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True)


def package(part: str) -> Path:
    (found,) = (CHECKOUT / part).glob("imagerift*/__init__.py")
    return found.parent


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_string(archive.read(name).decode())


@pytest.mark.parametrize("part", PARTS)
def test_a_wheel_holds_its_own_package_whole_and_nothing_else(
    part: str, wheels: dict[str, Path]
) -> None:
    source = package(part)
    files = {path for path in source.rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheels[part]) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
        assert archive.read(licences[0]) == (CHECKOUT / "LICENSE").read_bytes()
    assert names == {
        str(path.relative_to(source.parent)) for path in files if "__pycache__" not in path.parts
    }
    assert f"{source.name}/py.typed" in names


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_of_the_one_version(part: str, wheels: dict[str, Path]) -> None:
    assert metadata(wheels[part])["Version"] == project_version()
    assert version(project(part)["name"]) == project_version()


def test_the_release_on_the_node_runs_images_of_the_one_version() -> None:
    values = yaml.safe_load((CHECKOUT / "tests/node/values.yaml").read_text())
    assert {image["tag"] for image in values["images"].values()} == {project_version()}


def test_the_clients_wheel_says_what_it_is(wheels: dict[str, Path]) -> None:
    said = metadata(wheels["client"])
    readme = (CHECKOUT / "client/README.md").read_text()
    assert said.get_payload() == readme
    # The end-to-end tests run the page's examples.
    (example,) = re.findall(r"^```python\n.*?^```", readme, re.MULTILINE | re.DOTALL)
    assert example in (CHECKOUT / "docs/client.md").read_text()
    assert {url.split(",")[0] for url in said.get_all("Project-URL", [])} == {
        "Homepage",
        "Documentation",
    }
    assert "Typing :: Typed" in said.get_all("Classifier", [])


def test_the_client_brings_nothing_of_the_servers(client: Path) -> None:
    installed = set(run(client / "python", "-c", INSTALLED).stdout.split())
    assert {"imagerift", *requirements("client")} <= installed
    whole = run(uv(), "pip", "check", "--python", client / "python")
    assert whole.returncode == 0, whole.stderr
    assert len(installed) <= PACKAGES_AT_MOST
    assert not installed & {"aiohttp", "boto3", "imagerift-core", "kopf", "kubernetes", "pymongo"}


def test_the_client_alone_runs_and_says_where_commands_on_the_database_are(client: Path) -> None:
    shown = run(client / "imagerift", "--help")
    assert shown.returncode == 0, shown.stderr
    assert "generate" in shown.stdout
    offered = run(client / "imagerift", "admin", "--help").stdout
    assert "workspace" in offered and "audit" not in offered and "store" not in offered
    missed = run(client / "imagerift", "admin", "audit")
    assert missed.returncode == 2
    assert "imagerift-api" in missed.stderr
    assert "kubectl exec" in missed.stderr


@pytest.mark.parametrize("part", PARTS)
def test_a_lock_pins_what_the_environment_of_all_parts_does(part: str) -> None:
    """Red: run `make lock`."""
    text = (REQUIREMENTS / f"{part}.txt").read_text()
    pins, all_pins = (
        dict(PIN.findall(lock)) for lock in (text, (REQUIREMENTS / "server.txt").read_text())
    )
    assert pins.items() <= all_pins.items()
    ours = {project(other)["name"] for other in PARTS}
    needed = set().union(*(requirements(other) for other in parts_with(part))) - ours
    assert needed <= set(pins)
    assert len(HASH.findall(text)) >= len(pins)
    assert "://" not in text
