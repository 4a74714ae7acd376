"""A photo of two people through the API and the real models: no face is cut, and one is told."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tenant import Tenant
from tests.platform_under_test import CHECKOUT
from tests.unit.vision.careless_sources import careless_sources

(PAIR,) = (source for source in careless_sources() if source.name == "two-people.jpg")
ASPECTS = ["9:16", "1:1", "16:9"]
# Run by the models' Python: a picture's size, and the boxes of the faces that are found in it.
LOOK = """
import json, sys
import numpy as np
from PIL import Image
from imagerift_vision.faces import FaceFinder

finder = FaceFinder()
looked = []
for path in sys.argv[1:]:
    picture = Image.open(path).convert("RGB")
    boxes = [[float(at) for at in face.box] for face in finder.find(np.asarray(picture))]
    looked.append({"size": picture.size, "boxes": boxes})
print(json.dumps(looked))
"""


@pytest.mark.parametrize(
    ("asked", "faces"),
    [({"mode": "enhance"}, 2), ({"mode": "avatar", "preset": "cartoon3d"}, 1)],
    ids=["enhance", "avatar"],
)
def test_in_every_shape_a_face_is_whole_or_not_there_and_the_answer_says_how_many(
    tenant: Tenant, tmp_path: Path, asked: dict[str, Any], faces: int
) -> None:
    jobs = [
        tenant.submitted(
            PAIR.data,
            prompt=None,
            seed=1,
            outputs=[{"aspect": aspect}],
            deadlineSeconds=600,
            **asked,
        )
        for aspect in ASPECTS
    ]
    pictures = []
    for aspect, job_id in zip(ASPECTS, jobs, strict=True):
        job = tenant.wait_for(job_id, seconds=300)
        assert job["status"] == "succeeded", (aspect, job["error"])
        told = job["analysis"]["people"]
        assert (told["found"], told["shown"]) == (2, faces), aspect
        # Where one is shown of two, it says which.
        assert (told["box"] is not None) == (faces == 1), aspect
        pictures.append(tmp_path / f"{job_id}.png")
        pictures[-1].write_bytes(tenant.http.get(job["downloadUrl"]).content)
    python = os.environ["IMAGERIFT_TEST_MODELS_PYTHON"]
    pixel_code = {**os.environ, "PYTHONPATH": str(CHECKOUT / "triton_models")}
    printed = subprocess.check_output(
        [python, "-W", "ignore", "-c", LOOK, *pictures], env=pixel_code, text=True
    )
    for aspect, looked in zip(ASPECTS, json.loads(printed), strict=True):
        width, height = looked["size"]
        across, down = map(int, aspect.split(":"))
        assert width / height == pytest.approx(across / down, rel=0.01)
        assert len(looked["boxes"]) == faces, aspect
        for left, top, right, bottom in looked["boxes"]:
            assert left >= 0 <= top, aspect
            assert right <= width and bottom <= height, aspect
