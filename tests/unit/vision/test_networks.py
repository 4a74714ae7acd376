"""Networks in the place of packaged ones: each family is fed, read and told as it must be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from imagerift_vision.avatar import inker
from imagerift_vision.avatar_looks import anime
from imagerift_vision.control import Guard
from imagerift_vision.face_restoration import FaceRestorer
from imagerift_vision.faces import FaceFinder
from imagerift_vision.matting import SIDE, Matting
from imagerift_vision.mode_call import ModeCall
from imagerift_vision.networks import OnnxNetwork
from imagerift_vision.portrait import Portrait, portray
from imagerift_vision.requests import ModelVersion
from imagerift_vision.superres import TEXTURE_SHARE, TILE, SuperResolver
from imagerift_vision.weights.families import FAMILIES, SLOTS
from imagerift_vision.weights.shelf import Shelf, summary
from odd_images import portrait
from tiny_networks import Layer, layers, shelf_with, written

MATTING = SLOTS["matting"].families
# What the networks' authors feed them, told again so that the table is not held to itself:
# ImageNet's mean and spread, or halves and ones; by the picture's maximum, or 255.
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
FED = {
    "u2net": (320, *IMAGENET, "maximum"),
    "isnet": (1024, [0.5] * 3, [1.0] * 3, "255"),
    "birefnet": (1024, *IMAGENET, "255"),
    "realesrgan": (None, [0.0] * 3, [1.0] * 3, "255"),
    "animegan": (512, [0.5] * 3, [0.5] * 3, "255"),
    "gfpgan": (512, [0.5] * 3, [0.5] * 3, "255"),
}


def noise(side: int, brightest: int = 255) -> np.ndarray:
    """[side, side, 3]: colours without a plan."""
    pixels = np.random.default_rng(3).integers(0, brightest + 1, (side, side, 3), np.uint8)
    pixels[0, 0] = brightest
    return pixels


def fed(pixels: np.ndarray, family: str) -> np.ndarray:
    _, mean, spread, by = FED[family]
    brightest = float(pixels.max()) if by == "maximum" else 255.0
    return ((pixels / brightest - mean) / spread).astype(np.float32)


def logistic(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def test_the_table_has_what_the_authors_of_the_networks_have() -> None:
    assert FAMILIES.keys() == FED.keys()
    for name, (side, mean, spread, by) in FED.items():
        family = FAMILIES[name]
        told = (family.side, list(family.mean), list(family.spread), family.by_maximum)
        assert told == (side, mean, spread, by == "maximum"), name
    assert {family for slot in SLOTS.values() for family in slot.families} == FED.keys()


@pytest.mark.parametrize("family", MATTING)
def test_a_matting_network_gets_the_picture_and_its_map_is_read(
    tmp_path: Path, family: str
) -> None:
    matting = Matting(1, shelf_with(tmp_path / "shelf", "matting", family))
    # Dark as a whole: what it is divided by counts.
    pixels = noise(FED[family][0], brightest=180)
    fine, coarse = matting._maps(pixels)

    first, *others = layers(family)
    expected = first.expected(fed(pixels, family))[..., 0]
    expected = logistic(expected) if family == "birefnet" else expected
    np.testing.assert_allclose(fine, expected, atol=1e-5)
    if family == "u2net":
        fourth = others[3].expected(fed(pixels, family))[..., 0]
        np.testing.assert_allclose(coarse, fourth, atol=1e-5)
    else:
        assert coarse is None
    assert matting.saliency(pixels).shape == (SIDE, SIDE)


@pytest.mark.parametrize("family", MATTING)
def test_what_was_cut_out_by_which_network_is_told(
    tmp_path: Path, family: str, loaded: Mapping[str, Any], guard: Guard, monkeypatch: Any
) -> None:
    # Sure of what is bright: its sum of colours against grey's.
    bright = np.full((1, 3), 6.0, np.float32)
    outputs = [
        Layer(bright, np.zeros(1, np.float32), layer.then, layer.blocks) for layer in layers(family)
    ]
    shelf = shelf_with(tmp_path / "shelf", "matting", family, outputs)
    mode = loaded["cutout"]
    monkeypatch.setattr(mode, "_matting", Matting(1, shelf))
    monkeypatch.setattr(mode, "_last", None)
    source = np.full((200, 240, 4), (30, 34, 30, 255), np.uint8)
    cv2.circle(source, (120, 100), 60, (250, 246, 240, 255), -1)
    call = ModeCall("cutout", source, "a/1", 60, "", None, (1,), 240, 200)
    answer = mode.run(call, guard)

    checksum = shelf.networks()[f"tiny-{family}"].sha256
    told = ModelVersion(f"tiny-{family}", f"sha256:{checksum[:12]}")
    assert told in answer.models
    alpha = answer.images[0, ..., 3] > 127
    disc = cv2.circle(np.zeros((200, 240), np.uint8), (120, 100), 60, 1, -1) > 0
    assert (alpha & disc).sum() / (alpha | disc).sum() > 0.97


def test_an_enlarging_network_draws_tile_by_tile_without_a_seam(
    tmp_path: Path, guard: Guard
) -> None:
    resolver = SuperResolver(1, shelf_with(tmp_path / "shelf", "upscaling", "realesrgan"))
    assert resolver.version.name == "tiny-realesrgan"
    # More than one tile each way.
    picture = noise(TILE + 16)[:, : TILE + 4].astype(np.float32) / 255
    large = resolver.enlarge(picture, guard)
    assert large.shape == (4 * (TILE + 16), 4 * (TILE + 4), 3)

    size = large.shape[1], large.shape[0]
    plain = cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4)
    drawn = layers("realesrgan")[0].expected(picture)
    expected = np.clip(drawn * (1 - TEXTURE_SHARE) + plain * TEXTURE_SHARE, 0, 1)
    np.testing.assert_allclose(large, expected, atol=1e-4)


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def person(finder: FaceFinder) -> Portrait:
    rgba = np.dstack([np.asarray(portrait()), np.full(portrait().size[::-1], 255, np.uint8)])
    return portray(rgba, 96, 96, finder, Matting(1, Shelf(None)))


@pytest.mark.parametrize("family", SLOTS["anime"].families)
def test_lines_are_drawn_by_the_network_of_the_slot(
    tmp_path: Path, family: str, person: Portrait, guard: Guard
) -> None:
    network = inker(1, shelf_with(tmp_path / "shelf", "anime", family))
    assert network.version.name == f"tiny-{family}"
    picture = noise(FED[family][0] or 48).astype(np.float32) / 255
    made = layers(family)[0].expected(fed(picture * 255, family))
    expected = np.clip(made * 0.5 + 0.5, 0, 1) if family == "animegan" else made
    np.testing.assert_allclose(network.draw(picture, guard), expected, atol=1e-4)

    # A strip is fitted into the square, and comes back without what was added to it.
    strip = picture[: len(picture) // 2]
    shape = (256, 512, 3) if family == "animegan" else (4 * len(strip), 4 * len(picture), 3)
    assert network.draw(strip, guard).shape == shape
    colours, _ = anime(person, network, guard)
    assert colours.shape == (96, 96, 3)


def test_faces_are_drawn_anew_and_nothing_else_is(
    tmp_path: Path, guard: Guard, finder: FaceFinder
) -> None:
    shelf = shelf_with(tmp_path / "shelf", "faces", "gfpgan")
    restorer = FaceRestorer(1, finder, shelf)
    rgb = np.asarray(portrait())
    [face] = finder.find(rgb)
    drawn, count = restorer.restore(rgb, guard)
    assert (count, drawn.shape, drawn.dtype) == (1, rgb.shape, np.uint8)

    # In the middle of the face: a quarter of the photograph under what the network makes of it.
    x, y = (int(value) for value in face.mesh[1, :2])
    made = layers("gfpgan")[0].expected(fed(rgb, "gfpgan"))[y, x] * 0.5 + 0.5
    expected = 255 * (0.75 * made + 0.25 * rgb[y, x] / 255)
    assert np.abs(drawn[y, x] - expected).max() < 12
    left, top, right, bottom = face.head
    outside = np.ones(rgb.shape[:2], bool)
    outside[
        max(0, int(top - face.size)) : int(bottom + face.size),
        max(0, int(left - face.size)) : int(right + face.size),
    ] = False
    assert outside.any() and (drawn[outside] == rgb[outside]).all()


def test_a_face_with_more_pixels_than_the_network_draws_is_left_alone(
    tmp_path: Path, guard: Guard, finder: FaceFinder
) -> None:
    shelf = shelf_with(tmp_path / "shelf", "faces", "gfpgan")
    rgb = np.asarray(portrait().resize((2400, 1600)))
    drawn, count = FaceRestorer(1, finder, shelf).restore(rgb, guard)
    assert count == 0 and drawn is rgb


def test_without_a_network_faces_stay_and_nobody_looks_for_them(guard: Guard) -> None:
    restorer = FaceRestorer(1, None, Shelf(None))
    rgb = np.asarray(portrait())
    assert restorer.restore(rgb, guard) == (rgb, 0)
    assert restorer.version is None


def test_enhance_tells_who_drew_the_faces(
    tmp_path: Path, loaded: Mapping[str, Any], guard: Guard, monkeypatch: Any, finder: FaceFinder
) -> None:
    shelf = shelf_with(tmp_path / "shelf", "faces", "gfpgan")
    mode = loaded["enhance"]
    rgb = np.asarray(portrait())
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    call = ModeCall("enhance", rgba, "a/1", 60, "", None, (1,), rgb.shape[1], rgb.shape[0])
    before = mode.run(call, guard)
    monkeypatch.setattr(mode, "_restorer", FaceRestorer(1, finder, shelf))
    after = mode.run(call, guard)
    assert [model.name for model in before.models] == ["imagerift-enhance"]
    assert [model.name for model in after.models] == ["imagerift-enhance", "tiny-gfpgan"]
    assert (before.images != after.images).any()


@pytest.mark.parametrize(
    ("made", "taken", "sentence"),
    [
        ("u2net", "isnet", "input is 1 x 3 x 320 x 320 of tensor(float), not 1 x 3 x 1024 x 1024"),
        ("isnet", "u2net", "input is 1 x 3 x 1024 x 1024"),
        ("animegan", "realesrgan", "input is 1 x 3 x 512 x 512 of tensor(float), not 1 x 3 x any"),
        ("realesrgan", "gfpgan", "it makes 2048 x 2048 x 3 of 512 x 512 pixels"),
    ],
)
def test_a_network_of_another_family_is_refused_with_what_is_wrong(
    tmp_path: Path, made: str, taken: str, sentence: str
) -> None:
    path = written(tmp_path / "network.onnx", made)
    with pytest.raises(ValueError, match=r"network\.onnx|it makes") as refusal:
        OnnxNetwork(path, taken, 1).prove()
    assert sentence in str(refusal.value)


def test_a_network_with_too_few_maps_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "network.onnx", "u2net", layers("u2net")[:1])
    with pytest.raises(ValueError, match="family u2net: output 4 is not there, there are 1"):
        OnnxNetwork(path, "u2net", 1)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(b"\x80\x04\x95 a pickle")
    with pytest.raises(ValueError, match=r"network\.onnx is no network in ONNX"):
        OnnxNetwork(path, "u2net", 1)


def test_a_file_that_was_changed_is_not_loaded(tmp_path: Path) -> None:
    shelf = shelf_with(tmp_path / "shelf", "matting", "isnet")
    written(shelf.place("tiny-isnet"), "isnet", layers("isnet", seed=8))
    with pytest.raises(ValueError, match=r"tiny-isnet: .* has another checksum"):
        Matting(1, shelf)


def test_the_environment_names_the_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = shelf_with(tmp_path / "shelf", "upscaling", "realesrgan")
    monkeypatch.setenv("IMAGERIFT_WEIGHTS", str(shelf.root))
    assert SuperResolver(1).version.name == "tiny-realesrgan"
    assert summary(Shelf.from_environment()) == (
        "matting u2netp, upscaling tiny-realesrgan, anime realesr-animevideov3-x4, faces none"
    )
    monkeypatch.setenv("IMAGERIFT_WEIGHTS", str(tmp_path / "elsewhere"))
    with pytest.raises(ValueError, match="IMAGERIFT_WEIGHTS: there is no folder"):
        SuperResolver(1)
