"""Every kind of file that is taken, from the store to what a mode is handed and back.

`generate` decodes, and a mode is handed pixels: here one that shows them as they are. Through a
real Triton go those whose pixels differ in kind.
"""

import hashlib
import io

import cv2
import numpy as np
import pytest
from generate_cases import picture, request_for
from imagerift_vision.control import Guard
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from odd_images import READABLE, scene
from origin import Origin
from PIL import Image
from plain_service import Plain


class Shown:
    """A mode that changes nothing but the size."""

    def run(self, call: ModeCall, _guard: Guard) -> ModeAnswer:
        shown = cv2.resize(call.image[..., :3], (call.width, call.height))
        return ModeAnswer(np.stack([shown] * len(call.seeds)), call.preset, ())


@pytest.fixture
def service(service: Plain) -> Plain:
    service.modes.loaded = {"style": Shown()}
    return service


@pytest.mark.parametrize("kind", READABLE)
def test_every_readable_picture_becomes_an_output(
    service: Plain, origin: Origin, kind: str
) -> None:
    result = service.generate(request_for(origin, READABLE[kind](scene())))
    assert result["error"] is None
    [output] = result["outputs"]
    content_type, body = origin.outputs["0"]
    assert content_type == output["contentType"] == "image/png"
    assert output["sizeBytes"] == len(body)
    assert output["sha256"] == hashlib.sha256(body).hexdigest()
    # The rotated file lies 320 x 480 but shows the same 3:2 picture as the others.
    assert (output["width"], output["height"]) == (1024, 683)
    assert Image.open(io.BytesIO(body)).size == (1024, 683)
    assert picture(origin).std() > 8


@pytest.mark.parametrize("kind", ["multi-picture", "rotated by exif", "cmyk", "16-bit colour"])
def test_an_odd_file_gives_the_picture_of_the_plain_one(
    service: Plain, origin: Origin, kind: str
) -> None:
    service.generate(request_for(origin, READABLE["png"](scene())))
    plain = picture(origin)
    service.generate(request_for(origin, READABLE[kind](scene())))
    difference = np.abs(plain.astype(int) - picture(origin).astype(int))
    assert difference.mean() < 6
