"""Odd files through a real Triton: a correct picture or a clear error.

`generate` decodes, and a mode is handed pixels: every kind of file is tried without a server
(`tests/unit/vision/test_files.py`), and here go those whose pixels differ in kind.
"""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from generate_cases import request_for
from odd_images import READABLE, REFUSED, portrait, scene
from origin import Origin
from PIL import Image
from triton_server import Triton

MODES: dict[str, dict[str, Any]] = {
    "avatar": {"mode": "avatar", "preset": "cartoon3d"},
    "enhance": {"mode": "enhance", "preset": None},
}
# Colours without a profile, sixteen bits, transparency, a turned picture.
KINDS = ("cmyk", "16-bit grey", "palette with alpha", "rotated by exif")
# Each mode's own picture of the same, plainly stored source.
PLAIN: dict[str, np.ndarray] = {}


def _made(triton: Triton, origin: Origin, mode: str, kind: str) -> np.ndarray:
    data = READABLE[kind](portrait() if mode == "avatar" else scene())
    name = f"{mode}-{kind}".replace(" ", "-")
    request = request_for(origin, outputFormat="webp", **MODES[mode])
    request["source"] = {"url": origin.give(name, data)}
    request["targets"][0]["url"] = origin.target(name)
    result = triton.generate(request)
    assert result["error"] is None, mode
    assert (result["outputs"][0]["width"], result["outputs"][0]["height"]) == (1024, 683)
    return np.asarray(Image.open(io.BytesIO(origin.outputs[name][1])).convert("L"), np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_a_readable_file_becomes_each_mode_s_picture_of_the_plain_one(
    triton: Triton, origin: Origin, kind: str
) -> None:
    with ThreadPoolExecutor(2) as slots:
        missing = [mode for mode in MODES if mode not in PLAIN]
        PLAIN.update(
            zip(missing, slots.map(lambda m: _made(triton, origin, m, "png"), missing), strict=True)
        )
        shown = list(slots.map(lambda m: _made(triton, origin, m, kind), MODES))
    for mode, picture in zip(MODES, shown, strict=True):
        assert picture.std() > 8, mode
        if kind == "palette with alpha":
            continue  # another cut-out: it is a picture, and no error
        # Turned or mirrored, the pictures would not correlate.
        alike = float(np.corrcoef(picture.ravel(), PLAIN[mode].ravel())[0, 1])
        assert alike > 0.75, mode


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", REFUSED)
def test_another_file_gets_its_code(triton: Triton, origin: Origin, mode: str, kind: str) -> None:
    make, code = REFUSED[kind]
    result = triton.generate(request_for(origin, make(), **MODES[mode]))
    assert result["error"]["code"] == code
    assert result["error"]["retryable"] is False
    assert result["error"]["message"]
    assert result["outputs"] == []
    assert origin.outputs == {}
    assert triton.is_ready()


def test_a_picture_without_a_face_makes_no_avatar(triton: Triton, origin: Origin) -> None:
    result = triton.generate(request_for(origin, **MODES["avatar"]))
    assert result["error"]["code"] == "no_face_found"
    assert result["error"]["retryable"] is False
    assert origin.outputs == {}


@pytest.mark.parametrize("mode", ["avatar", "enhance"])
def test_same_seed_same_bytes(triton: Triton, origin: Origin, mode: str) -> None:
    source = READABLE["jpeg"](portrait())
    hashes = {
        triton.generate(request_for(origin, source, **MODES[mode]))["outputs"][0]["sha256"]
        for _ in range(2)
    }
    assert len(hashes) == 1


@pytest.mark.parametrize("mode", ["avatar", "enhance"])
def test_the_smallest_picture_is_no_crash(triton: Triton, origin: Origin, mode: str) -> None:
    out = io.BytesIO()
    scene().resize((16, 16)).save(out, "PNG")
    result = triton.generate(request_for(origin, out.getvalue(), **MODES[mode]))
    if mode == "avatar":
        assert result["error"]["code"] == "no_face_found"
    else:
        assert result["error"] is None
