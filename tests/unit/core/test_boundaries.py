"""What import contracts cannot say: core uses aiohttp as a client and never as a server."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import imagerift_core

FOLDER = Path(imagerift_core.__file__).parent
OPERATOR_FOLDER = FOLDER.parents[1] / "operator"
API_FOLDER = FOLDER.parents[1] / "api"
# What is the driver's own in a database is for `imagerift_core.mongo` alone.
DATABASE_OF_CALLERS = {"ping", "time"}


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_core_serves_no_http() -> None:
    modules = sorted(FOLDER.rglob("*.py"))
    assert len(modules) > 20
    for path in modules:
        names = set(imported_names(path))
        assert not any(name.startswith("aiohttp.web") for name in names), path


def test_settings_alone_read_the_environment() -> None:
    for path in FOLDER.rglob("*.py"):
        names = set(imported_names(path))
        assert "os.environ" not in path.read_text(), path
        assert not names & {"os.environ", "os.getenv"}, path


def uses_of_a_database(path: Path) -> Iterator[str]:
    """What the file takes from anything by the name of `database`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            holder = node.value
            name = holder.id if isinstance(holder, ast.Name) else holder.attr
            if name.strip("_") == "database":
                yield node.attr


def test_the_services_reach_no_collection_and_no_transaction_by_themselves() -> None:
    used = {
        (path.name, name)
        for folder in (API_FOLDER, OPERATOR_FOLDER)
        for path in folder.rglob("*.py")
        for name in uses_of_a_database(path)
    }
    assert {name for _, name in used} == DATABASE_OF_CALLERS, sorted(used)


def test_services_hold_stores_and_no_database() -> None:
    holders = {
        f"{path.parent.name}/{path.name}"
        for folder in (API_FOLDER, OPERATOR_FOLDER)
        for path in folder.rglob("*.py")
        if set(imported_names(path))
        & {"imagerift_core.mongo.Database", "imagerift_core.mongo.database.Database"}
    }
    # What prepares it, what an administrator asks of all of it, and what tells whether it answers.
    assert holders == {
        "imagerift_api/admin_store.py",
        "imagerift_api/context.py",
        "health/service.py",
    }


def test_the_operators_folder_does_not_shadow_pythons_own() -> None:
    assert not (OPERATOR_FOLDER / "__init__.py").exists()


def test_stores_read_as_if_another_version_had_written() -> None:
    """By `imagerift_core.stored`, which makes what cannot be read a matter of that document."""
    for path in (FOLDER / "mongo").glob("*.py"):
        assert "model_validate" not in path.read_text(), path
