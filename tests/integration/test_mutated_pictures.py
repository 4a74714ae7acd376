"""Thousands of damaged files: no process but their own ends, and both sides say the same of each.

`make fuzz-pictures` makes 20,000 of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from imagerift_core import picture_inspection

from tests.support import mutated_pictures
from tests.unit.core.test_images import GOOD

FULL = os.environ.get("IMAGERIFT_FUZZ") == "full"
COUNT = int(os.environ.get("IMAGERIFT_FUZZ_COUNT", "20000" if FULL else "100"))
SEED = int(os.environ.get("IMAGERIFT_FUZZ_SEED", "14"))
CHECKOUT = Path(__file__).resolve().parents[2]
PYTHONS = {"api": sys.executable, "models": os.environ.get("IMAGERIFT_TEST_MODELS_PYTHON", "")}
# Of no file of some kilobytes has a decoder more than this, and the server that forks.
MOST_BYTES = 256 * 1024 * 1024 + picture_inspection.MEMORY_BYTES


def test_both_sides_say_the_same_of_mutated_pictures(tmp_path: Path) -> None:
    mutated_pictures.write(GOOD, tmp_path)
    running = {side: start(side, tmp_path) for side in PYTHONS}
    told: dict[str, Any] = {side: json.loads(output(process)) for side, process in running.items()}
    api, models = (told[side]["verdicts"] for side in ("api", "models"))
    different = {
        number: verdicts
        for number, verdicts in enumerate(zip(api, models, strict=True))
        if len({verdict.split()[0] for verdict in verdicts}) > 1
    }
    assert different == {}
    counted = Counter(api), Counter(models)
    peaks = {side: told[side]["peak"] for side in told}
    sys.stdout.write(f"{COUNT} files by seed {SEED}: {counted}, most bytes {peaks}\n")
    assert len(api) == COUNT
    assert {"accepted", "image_unreadable", "unsupported_image"} <= counted[0].keys()
    assert max(peaks.values()) < MOST_BYTES


def start(side: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(PYTHONS[side], "-W", "ignore", "-m", f"tests.integration.mutated_by_{side}"),
            *(str(folder), str(COUNT), str(SEED)),
        ],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT / 'triton_models'}:{CHECKOUT}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate()
    assert process.returncode == 0
    return text
