"""The image with GPUs: its packages are to be had for the Python of its base, each by its hash.

The base itself is not to be had here. What is run are the commands of the Dockerfile, but for the
writing: uv resolves them for Python 3.12 on x86-64, as NVIDIA's Triton has it.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.charts.rendering import CHARTS, workshop
from tests.unit.charts.test_images import instructions

BASE = ["--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_39"]


def installs() -> list[list[str]]:
    """The arguments of `uv pip install` in the stage."""
    text = " ".join(each.text for each in instructions("gpu-installed", "RUN"))
    return [
        shlex.split(found) for found in re.findall(r"uv pip install --python \S+ ([^&]*)", text)
    ]


@pytest.mark.parametrize("arguments", installs(), ids=lambda found: found[-1])
def test_every_package_has_a_wheel_for_the_base_s_python(
    arguments: list[str], tmp_path: Path
) -> None:
    command = [workshop().uv, "pip", "install", "--dry-run", "--only-binary", ":all:", *BASE]
    done = subprocess.run(
        [*map(str, command), "--target", str(tmp_path), *arguments],
        cwd=CHARTS.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Would install" in done.stderr
