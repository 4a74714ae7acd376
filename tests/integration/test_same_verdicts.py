"""The API never takes what the models refuse, nor the other way round."""

from __future__ import annotations

import json
import os
import random
import subprocess
import warnings
from collections import Counter
from pathlib import Path

from imagerift_core.errors import DomainError
from imagerift_core.images import inspect_image
from PIL import Image

from tests.support.heif.files import heic, heic_with_alpha, turned
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


def verdicts_of_models(paths: list[Path]) -> dict[str, str]:
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
    verdicts: dict[str, str] = json.loads(done.stdout)
    return verdicts


def counted_alike(paths: list[Path]) -> Counter[str]:
    """How many files have each verdict, which both sides give alike."""
    models = verdicts_of_models(paths)
    api = {str(path): verdict_of_api(path) for path in paths}
    differences = {
        Path(path).name: (api[path], models[path]) for path in api if api[path] != models[path]
    }
    assert differences == {}
    return Counter(api.values())


def test_hundreds_of_odd_pictures_get_the_same_verdict_on_both_sides() -> None:
    counted = counted_alike(odd_pictures())
    assert counted["accepted"] > 100
    assert sum(counted.values()) > 700


def test_so_do_hundreds_of_damaged_heics(tmp_path: Path) -> None:
    photo = Image.effect_noise((96, 64), 60).convert("RGB")
    sound = [
        heic(photo, chroma=420, properties=[turned(1)]),
        heic(photo, tile=32, exif=b"MM\0*\0\0\0\x08\0\0\0\0\0\0"),
        heic_with_alpha(photo.convert("RGBA")),
    ]
    paths = []
    chance = random.Random(15)
    for number in range(600):
        data = bytearray(sound[number % len(sound)])
        # The boxes are at the front; most of the rest is pixels.
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(chance.choice([900, len(data)]))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        paths.append(tmp_path / f"{number}.heic")
        paths[-1].write_bytes(data)
    counted = counted_alike(paths)
    assert counted["accepted"] > 50
    assert counted["image_unreadable"] > 100
