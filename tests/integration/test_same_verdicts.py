"""The API never takes what the models refuse, nor the other way round."""

from __future__ import annotations

import json
import os
import subprocess
import warnings
from collections import Counter
from pathlib import Path

from imagerift_core.errors import DomainError
from imagerift_core.images import inspect_image

from tests.support.pillow_odd_pictures import odd_pictures

CHECKOUT = Path(__file__).resolve().parents[2]


def verdict_of_api(path: Path) -> str:
    try:
        with warnings.catch_warnings():
            # Pillow warns of much that it then reads.
            warnings.simplefilter("ignore")
            inspect_image(path.read_bytes(), param="imageBase64")
    except DomainError as error:
        return error.code
    return "accepted"


def test_hundreds_of_odd_pictures_get_the_same_verdict_on_both_sides() -> None:
    paths = odd_pictures()
    program = Path(__file__).with_name("verdict_of_models.py")
    done = subprocess.run(
        [os.environ["IMAGERIFT_TEST_MODELS_PYTHON"], "-W", "ignore", str(program)],
        input="\n".join(map(str, paths)),
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / "triton_models")},
        capture_output=True,
        text=True,
        check=True,
        timeout=280,
    )
    models = json.loads(done.stdout)
    api = {str(path): verdict_of_api(path) for path in paths}
    differences = {
        Path(path).name: (api[path], models[path]) for path in api if api[path] != models[path]
    }
    assert differences == {}
    counted = Counter(api.values())
    assert counted["accepted"] > 100
    assert sum(counted.values()) > 700
