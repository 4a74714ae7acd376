"""A wrong import turns `make lint` red, whichever layers it crosses."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from imagerift_local.settings import CHECKOUT

PARTS = ("contract", "core", "api", "operator", "client", "local", "tests/support/node")
MODELS = "triton_models/imagerift_vision"
FRONT = "triton_models/imagerift_front"
# By contract: a module, and an import that the contract forbids there.
WRONG = {
    "platform-alone": ("local/imagerift_local/state.py", "imagerift_core.settings"),
    "api-layers": ("api/imagerift_api/http/calls.py", "imagerift_api.jobs.service"),
    "api-features": ("api/imagerift_api/webhooks/schemas.py", "imagerift_api.webhooks.service"),
    "api-jobs": ("api/imagerift_api/jobs/schemas.py", "imagerift_api.jobs.sources"),
    "api-routes": ("api/imagerift_api/usage/routes.py", "imagerift_core.mongo.usage"),
    "operator-layers": ("operator/imagerift_operator/pools.py", "imagerift_operator.context"),
    "core-layers": ("core/imagerift_core/jobs.py", "imagerift_core.kube"),
    "vision-layers": (f"{MODELS}/control.py", "imagerift_vision.generate"),
    "front-alone": (f"{FRONT}/calls.py", "imagerift_vision.errors"),
    "models-alone": (f"{MODELS}/storage.py", "imagerift_core.s3"),
    "no-circles": ("core/imagerift_core/ids.py", "imagerift_core.api_keys"),
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The code alone, without the tests."""
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for part in PARTS:
        shutil.copytree(CHECKOUT / part, tmp_path / part, ignore=skipped)
    for part in (MODELS, FRONT):
        shutil.copytree(CHECKOUT / part, tmp_path / part, ignore=skipped)
    shutil.copy(CHECKOUT / ".importlinter", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_wrong_import_breaks_the_contract_that_forbids_it(checkout: Path) -> None:
    before = lint(checkout)
    for module, wrong in WRONG.values():
        path = checkout / module
        path.write_text(f"{path.read_text()}\n\nimport {wrong}\n")
    after = lint(checkout)

    names = configparser.ConfigParser()
    names.read(checkout / ".importlinter")
    kept = [
        key
        for key in WRONG
        if f"{names[f'importlinter:contract:{key}']['name']} BROKEN" not in after
    ]
    assert (before.count("BROKEN"), kept) == (0, [])


@pytest.mark.slow
def test_a_module_of_the_api_without_a_place_in_the_layers_is_refused(checkout: Path) -> None:
    (checkout / "api/imagerift_api/misplaced.py").touch()

    assert "imagerift_api.misplaced" in lint(checkout)


def lint(checkout: Path) -> str:
    """What the linter says of the code in `checkout`, each contract on a line of its own."""
    path = os.pathsep.join(str(checkout / part) for part in (*PARTS, "triton_models"))
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
    ]
    linted = subprocess.run(
        [*command, "--no-logo", "--no-cache"],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": path, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    return linted.stdout + linted.stderr
