"""What its sender made transparent is shown nowhere, and changes nothing that is shown."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from imagerift_vision.control import Guard
from imagerift_vision.decoding import Source, decode
from imagerift_vision.diffusion import DiffusionMode
from imagerift_vision.diffusion_settings import DiffusionSettings
from imagerift_vision.masks import masked
from imagerift_vision.mode_call import ModeCall
from imagerift_vision.scene_backgrounds import DrawnBackgrounds
from imagerift_vision.scene_mode import SceneMode
from mask_cases import nothing, share_of
from odd_images import HEIGHT, WIDTH, palette_with_alpha, portrait, saved, scene
from PIL import Image, ImageDraw
from test_diffusion import SETTINGS, Plates
from test_scene_mode import Painter

Pixels = np.ndarray
Modes = Callable[[str], Any]
GREEN = (9, 250, 9)
CALLS: dict[str, dict[str, Any]] = {
    "style": {"preset": "studio"},
    "scene": {"preset": "studio", "on_unclear_subject": "cut"},
    "cutout": {"on_unclear_subject": "cut"},
    "enhance": {},
    "avatar": {"preset": "cartoon3d"},
}
SHOWN = {"thing": scene, "person": portrait, "grain": lambda: Image.fromarray(grain())}
# Of each way through a mode: what is shown, what is transparent, and the caller's own matte.
WAYS = [
    *[(mode, "thing", where, False) for mode in CALLS if mode != "avatar" for where in
      ("around", "spot")],
    *[(mode, "thing", "spot", True) for mode in ("style", "scene", "cutout")],
    *[("avatar", "person", where, own) for where, own in
      (("around", False), ("spot", False), ("spot", True))],
    ("style", "grain", "spot", False),
]  # fmt: skip


@pytest.fixture(scope="module")
def scenes() -> SceneMode:
    return SceneMode(threads=1)


@pytest.fixture
def modes(loaded: Mapping[str, Any], scenes: SceneMode) -> Modes:
    """The modes by name, their networks loaded once."""
    return lambda mode: scenes if mode == "scene" else loaded[mode]


def grain() -> Pixels:
    image: Pixels = decode(nothing(), 640).rgba[:HEIGHT, :WIDTH, :3]
    return image


def ellipse() -> Pixels:
    """[h, w], 255 inside."""
    matte = Image.new("L", (WIDTH, HEIGHT), 0)
    ImageDraw.Draw(matte).ellipse((90, 20, 390, 315), fill=255)
    return np.asarray(matte)


def alpha_of(where: str, least: int = 0) -> Pixels:
    """[h, w]: `least` all around the middle, or on a spot of one hundredth of the picture."""
    if where == "around":
        return np.maximum(ellipse(), least).astype(np.uint8)
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[235:265, 200:250] = least
    return alpha


def hiding(shown: str, alpha: Pixels, colours: Pixels | tuple[int, int, int]) -> Source:
    """The source whose file has those colours where it is not opaque."""
    rgb = np.asarray(SHOWN[shown]().convert("RGB"))
    rgb = np.where((alpha < 255)[..., None], np.array(colours, np.uint8), rgb)
    return decode(saved(Image.fromarray(np.dstack([rgb, alpha])), "PNG"), 640)


def two_that_hide(shown: str, where: str) -> list[Source]:
    noise = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    return [hiding(shown, alpha_of(where), colours) for colours in (GREEN, noise)]


def call(mode: str, source: Source, *, own: bool = False) -> ModeCall:
    if own:
        matte = decode(saved(Image.fromarray(ellipse()), "PNG"), 640)
        source = masked(source, matte)
    asked = ModeCall(
        mode, source.rgba, "job/1", 600.0, "", None, (3,), WIDTH, HEIGHT, mode=mode, masked=own
    )
    return replace(asked, **CALLS.get(mode, {}))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way)))
def test_no_mode_shows_or_minds_what_is_hidden(
    modes: Modes, guard: Guard, way: tuple[str, str, str, bool]
) -> None:
    mode, shown, where, own = way
    first, second = (
        modes(mode).run(call(mode, source, own=own), guard).images[0]
        for source in two_that_hide(shown, where)
    )
    assert np.array_equal(first, second)
    assert share_of(first[..., :3], GREEN) == 0


@pytest.mark.parametrize("where", ["around", "spot"])
def test_what_draws_a_background_is_not_shown_what_is_hidden(
    modes: Modes, guard: Guard, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    painter, scenes = Painter(), modes("scene")
    monkeypatch.setattr(scenes, "_backgrounds", DrawnBackgrounds(painter, "x", "inpaint"))
    made = [scenes.run(call("scene", one), guard) for one in two_that_hide("thing", where)]
    first, second = (asked.image for asked in painter.asked)
    assert np.array_equal(first, second)
    assert np.array_equal(made[0].images, made[1].images)


@pytest.mark.parametrize("preset", [None, "around", "anime"])
@pytest.mark.parametrize("where", ["around", "spot"])
def test_a_diffusion_model_is_not_shown_what_is_hidden(
    guard: Guard, preset: str | None, where: str
) -> None:
    plates = Plates()
    settings = DiffusionSettings.from_environment({"IMAGERIFT_DIFFUSION": json.dumps(SETTINGS)})
    mode = DiffusionMode(settings, plates, threads=1)
    for source in two_that_hide("person", where):
        mode.run(replace(call("diffusion", source), preset=preset, mode=None), guard)
    first, second = plates.drawings
    assert first.picture is not None
    assert second.picture is not None
    assert np.array_equal(first.picture, second.picture)


@pytest.mark.parametrize(("mode", "shown"), [("style", "grain"), ("avatar", "person")])
def test_what_is_nearly_transparent_is_shown_as_paper(
    modes: Modes, guard: Guard, mode: str, shown: str
) -> None:
    """As a soft eraser leaves it: colours under an alpha of one hundredth."""
    source = hiding(shown, alpha_of("spot", least=2), GREEN)
    picture = modes(mode).run(call(mode, source), guard).images[0]
    assert share_of(picture, GREEN) == 0


@pytest.mark.parametrize("edge", [640, 200])
def test_files_that_differ_in_what_is_hidden_alone_are_one_source(edge: int) -> None:
    rgb = np.asarray(scene())
    files = []
    for colours in (GREEN, (250, 9, 250)):
        hidden = np.where(ellipse()[..., None] > 0, rgb, np.array(colours, np.uint8))
        image = Image.fromarray(np.dstack([hidden, ellipse()]))
        files.append([saved(image, "PNG"), saved(image, "WEBP", lossless=True, exact=True)])
    for first, second in zip(*files, strict=True):
        assert first != second
        assert np.array_equal(decode(first, edge).rgba, decode(second, edge).rgba)
    clear = decode(palette_with_alpha(scene()), edge).rgba
    assert (clear[clear[..., 3] == 0] == (255, 255, 255, 0)).all()
