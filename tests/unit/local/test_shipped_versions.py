"""SECURITY.md's table of shipped versions, against the places where the versions are declared."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from imagerift_local.provision.programs import PROGRAMS
from imagerift_local.provision.wheels import REQUIREMENTS, pinned_version
from imagerift_local.settings import CHECKOUT

from charts.schema.values import Values
from supply_chain import accepted
from supply_chain.components import everything, servers
from tests.support import helm

ROW = re.compile(
    r"^\| (?P<part>[^|]+) \| (?P<where>[^|]+) \| (?P<version>[^|]+) \| (?P<released>[^|]+) \|"
)
RELEASES = {part: program.release for part, program in PROGRAMS.items() if program.release}
LOCKS = {"services": "server.txt", "models": "models.txt", "diffusion": "models-torch.txt"}
# What speaks to strangers or opens what they send must be in the table.
EXPOSED = {
    ("aiohttp", "services"),
    ("cryptography", "services"),
    ("pillow", "services"),
    ("pyjwt", "services"),
    ("pymongo", "services"),
    ("aiohttp", "models"),
    ("numpy", "models"),
    ("onnxruntime", "models"),
    ("opencv-contrib-python-headless", "models"),
    ("pillow", "models"),
}
# The first patch release of MongoDB 8.0 without CVE-2025-14847 and CVE-2026-9740.
MONGODB_MENDED = (8, 0, 24)


def rows() -> Iterator[re.Match[str]]:
    for line in (CHECKOUT / "SECURITY.md").read_text().splitlines():
        row = ROW.match(line)
        if row and row["part"] != "part" and not row["part"].startswith("-"):
            yield row


def declared_servers() -> dict[tuple[str, str], str]:
    return {(server.name, server.where): server.version for server in servers()} | {
        ("Helm", "tests, release"): helm.RELEASE.version,
        ("Helm", "tests, otherwise"): helm.HELM.registry.version,
    }


def test_every_server_that_ships_is_in_the_table_in_its_version() -> None:
    told = {
        (row["part"], row["where"]): row["version"] for row in rows() if row["where"] not in LOCKS
    }
    assert told == declared_servers()


def test_every_exposed_library_is_in_the_table_in_its_version() -> None:
    libraries = [row for row in rows() if row["where"] in LOCKS]
    assert {(row["part"], row["where"]) for row in libraries} >= EXPOSED
    for row in libraries:
        assert row["version"] == pinned_version(REQUIREMENTS / LOCKS[row["where"]], row["part"])


def test_every_row_is_dated() -> None:
    dates = [row["released"] for row in rows()]
    assert dates
    assert all(re.fullmatch(r"20\d\d-\d\d(-\d\d)?", date) for date in dates), dates


@pytest.mark.parametrize("version", [Values().images.mongodb.tag, RELEASES["mongod"].version])
def test_no_mongodb_with_a_hole_before_the_password_ships(version: str) -> None:
    assert tuple(int(number) for number in version.split(".")) >= MONGODB_MENDED


def test_every_hole_that_is_lived_with_is_told_and_is_of_something_that_ships() -> None:
    told = (CHECKOUT / "SECURITY.md").read_text()
    known = told[told.index("## Known holes") :]
    shipped = {(component.name, component.version) for component in everything()}
    entries = accepted.read()
    assert entries
    for entry in entries:
        assert (entry.component, entry.version) in shipped
        assert entry.component in known
        assert entry.version in known
        assert f"{entry.until}" in known
