"""What import contracts cannot say: core uses aiohttp as a client and never as a server."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import imagerift_core

FOLDER = Path(imagerift_core.__file__).parent
OPERATOR_FOLDER = FOLDER.parents[1] / "operator"


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


def test_the_operators_folder_does_not_shadow_pythons_own() -> None:
    assert not (OPERATOR_FOLDER / "__init__.py").exists()
