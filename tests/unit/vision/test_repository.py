"""The model repository is what its pool settings say."""

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).resolve().parents[3] / "triton_models" / "tools" / "pool.py"


def test_the_repository_is_laid_out_for_the_small_cpu_pool() -> None:
    run = subprocess.run(
        [sys.executable, TOOL, "cpu-small", "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "IMAGERIFT_THREADS=1\n"
