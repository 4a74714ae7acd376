"""Qwen's editors at the megapixel that diffusers brings each picture to, through a real Triton.

The cases are those of every family; there, this number is a smaller one.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.platform_under_test import BIN, CHECKOUT

# What is laid over the weights, and how they are held, is the same at any size.
KEPT = "qwen-image-edit and not (loras or eight)"
CASES = CHECKOUT / "tests" / "integration" / "triton" / "test_families.py"


@pytest.mark.timeout(3600)
def test_editors_draw_at_a_megapixel_what_they_draw_at_less() -> None:
    asked = [str(BIN / "imagerift-platform"), "models-python"]
    models = subprocess.check_output(asked, text=True).strip()
    told = {"IMAGERIFT_TEST_MODELS_PYTHON": models, "IMAGERIFT_TEST_WHOLE_EDITORS": "yes"}
    command = [sys.executable, "-m", "pytest", "-q", str(CASES), "-k", KEPT]
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
