"""What people are told to run, by Helm after an installation and by the page on installing."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from pathlib import Path

from tests.charts.rendering import DEFINITIONS, MAIN, Helm

# Writes down what it is called with and what it is given.
CURL = """#!/bin/sh
printf '%s\\n' "$@" > arguments
cat > body
"""


def notes_of(helm: Helm) -> str:
    shown = helm.run(
        "install", "mine", MAIN, "-n", "here", "--dry-run=client",
        "--set", "secrets.allowNewEachRender=true,global.imageRegistry=r.example",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.partition("NOTES:")[2]


def test_whoever_wants_to_be_rid_of_the_definitions_names_them_all(helm: Helm) -> None:
    page = (MAIN.parents[1] / "docs" / "install.md").read_text()
    (label,) = re.findall(r"^\$ kubectl delete crd -l (\S+)$", page, re.MULTILINE)
    name, value = label.split("=")
    definitions = helm.render(DEFINITIONS).of("CustomResourceDefinition")
    assert len(definitions) == len(list((MAIN.parents[1] / "crds").glob("*.yaml")))
    assert {each["metadata"]["labels"][name] for each in definitions} == {value}


def test_the_printed_call_sends_a_photo_of_any_size(helm: Helm, tmp_path: Path) -> None:
    found = re.search(
        r"Make the first picture:\n\n(.*?)\n  curl [^\n]*JOB_ID", notes_of(helm), re.DOTALL
    )
    assert found is not None
    curl = tmp_path / "curl"
    curl.write_text(CURL)
    curl.chmod(0o755)
    # A shell hands no program more than 128 KiB in one argument.
    photo = os.urandom(8 << 20)
    (tmp_path / "photo.jpg").write_bytes(photo)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", found[1]], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    body = json.loads((tmp_path / "body").read_text())
    assert base64.b64decode(body.pop("imageBase64")) == photo
    assert body == {"mode": "style", "prompt": "studio product photo"}
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[:3] == ["-X", "POST", "http://127.0.0.1:8080/api/v1/generate"]
    assert arguments[-2:] == ["-d", "@-"]
