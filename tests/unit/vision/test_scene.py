"""A prompt's words direct the set: what is asked for is read, told, and seen."""

import tomllib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from imagerift_vision.colours import colour_of, css_colours, difference
from imagerift_vision.lexicon import lexicon, plain
from imagerift_vision.presets import PRESETS
from imagerift_vision.prompt_read import directed
from imagerift_vision.prompt_wording import worded
from imagerift_vision.scene.direction import can_show, direct
from imagerift_vision.scene.materials import MATERIALS, tile_of
from imagerift_vision.scene.placement import Subject, describe, place
from imagerift_vision.scene.render import render
from imagerift_vision.scene_spec import LightSpec, Plane, SceneSpec, Space, Surface
from imagerift_vision.scene_words import FOLDER, ROLES, scene_lexicon, wishes_of
from numpy.typing import NDArray

SIZE = (256, 256)


class Unhurried:
    def check(self) -> None:
        """Nobody cancels."""


def scene_of(prompt: str) -> SceneSpec:
    wording = worded(prompt, lexicon())
    return directed(wording, wishes_of(wording), "studio", None)[0]


def unread(prompt: str) -> list[tuple[str, str]]:
    wording = worded(prompt, lexicon())
    ignored = directed(wording, wishes_of(wording), "studio", None)[2]
    return [(item.words, item.reason) for item in ignored]


@pytest.fixture(scope="module")
def jar() -> Subject:
    """A grey jar that stands on a floor."""
    alpha = np.zeros((240, 200), np.float32)
    cv2.rectangle(alpha, (60, 60), (140, 200), 1.0, -1)
    colours = np.full((240, 200, 3), 0.5, np.float32)
    return describe(colours, cv2.GaussianBlur(alpha, (0, 0), 1.0))


def picture(jar: Subject, scene: SceneSpec, preset: str = "studio") -> NDArray[np.uint8]:
    directed_preset = direct(PRESETS[preset], scene, jar)
    return render(jar, directed_preset, 3, SIZE, Unhurried())


def wall_of(pixels: NDArray[np.uint8]) -> tuple[float, float, float]:
    """The mean colour of the upper part beside the subject."""
    part = pixels[: SIZE[1] // 2]
    sides = np.concatenate([part[:, : SIZE[0] // 5], part[:, -SIZE[0] // 5 :]], axis=1)
    red, green, blue = sides.reshape(-1, 3).mean(axis=0) / 255
    return float(red), float(green), float(blue)


@pytest.mark.parametrize(
    ("prompt", "wall"),
    [
        ("blue background", "#0000ff"),
        ("no black background, please use a light grey one", "#d3d3d3"),
        ("instead of a red background use a yellow background", "#ffff00"),
        ("red shoes on blue", "#0000ff"),
        ("#0a0 backdrop", "#00aa00"),
        ("rgb(255, 99, 71) background", "#ff6347"),
        ("fondo amarillo", "#ffff00"),
        ("نيون ممنوع، خلفية زرقاء", "#0000ff"),
        ("红色背景", "#ff0000"),
        ("lilac", "#c8a2c8"),
    ],
)
def test_a_wall_has_the_colour_that_words_ask_for(prompt: str, wall: str) -> None:
    assert scene_of(prompt).wall.colour == colour_of(wall)


@pytest.mark.parametrize(
    "prompt",
    ["red mug", "wooden chair with a white cushion", "orange juice carton", "marble chess set",
     "sand toys for children", "the quick brown fox jumps over the lazy dog", "add a red bow",
     "no red background", "LED spotlight", "a water bottle", "light blue shirt",
     "blue light glasses", "white wall clock", "wooden table lamp"],
)  # fmt: skip
def test_words_for_the_thing_leave_the_set_as_it_is(prompt: str) -> None:
    assert scene_of(prompt) == SceneSpec()


@pytest.mark.parametrize(
    ("prompt", "scene"),
    [
        ("on a dark oak table, beige wall",
         SceneSpec(wall=Plane(colour_of("beige")), floor=Plane(None, "wood"))),
        ("black marble slab", SceneSpec(floor=Plane(colour_of("black"), "marble"))),
        ("sur une table en marbre", SceneSpec(floor=Plane(None, "marble"))),
        ("木のテーブルの上", SceneSpec(floor=Plane(None, "wood"))),
        ("boots in fresh snow", SceneSpec(floor=Plane(None, "snow"))),
        ("warm light, hard shadows", SceneSpec(light=LightSpec(warmth="warm", hardness="hard"))),
        ("red light at night", SceneSpec(light=LightSpec(colour=(1, 0, 0)), time="night")),
        ("copy space on the left, flat lay", SceneSpec(space="left", angle="above")),
        ("brick wall background", SceneSpec(wall=Plane(None, "brick"))),
        ("gold accents", SceneSpec(accent=colour_of("gold"))),
        ("no shadows, no reflections", SceneSpec(shadow=False, reflection=False)),
    ],
)  # fmt: skip
def test_the_set_is_read(prompt: str, scene: SceneSpec) -> None:
    assert scene_of(prompt) == scene


def test_what_had_no_effect_is_told() -> None:
    assert unread("blue background, add a bow") == [("add a bow", "unknown")]
    assert ("green background", "conflict") in unread("blue background, green background")


@pytest.mark.parametrize("name", ["teal", "salmon", "dark-green", "gold", "slate-gray", "white"])
@pytest.mark.parametrize(("preset", "most"), [("studio", 7), ("pastel", 9), ("nature", 9)])
def test_the_wall_has_the_colour_that_was_asked_for(
    jar: Subject, name: str, preset: str, most: float
) -> None:
    around = Plane(colour_of(name))
    shown = wall_of(picture(jar, SceneSpec(wall=around, floor=around), preset))
    assert difference(shown, colour_of(name)) < most


@pytest.mark.parametrize("surface", MATERIALS)
def test_a_material_is_seamless_and_shows(jar: Subject, surface: Surface) -> None:
    tile = tile_of(surface).astype(np.float32)
    inside = np.abs(np.diff(tile, axis=1)).mean()
    assert np.abs(tile[:, 0] - tile[:, -1]).mean() < 3 * inside + 1
    floor = Plane(None, surface)
    shown = picture(jar, SceneSpec(floor=floor))
    assert np.abs(shown.astype(int) - picture(jar, SceneSpec())).mean() > 3


def test_the_same_prompt_and_seed_give_the_same_bytes(jar: Subject) -> None:
    scene = SceneSpec(wall=Plane((0, 0.5, 0.5)), floor=Plane(None, "wood"), time="evening")
    first = picture(jar, scene)
    tile_of.cache_clear()
    assert np.array_equal(first, picture(jar, scene))


def test_a_silent_prompt_leaves_every_preset_as_it_is(jar: Subject) -> None:
    for preset in PRESETS.values():
        assert direct(preset, SceneSpec(), jar) == preset


def test_light_and_time_tint_the_picture(jar: Subject) -> None:
    def balance(scene: SceneSpec) -> float:
        red, _, blue = picture(jar, scene).reshape(-1, 3).mean(axis=0)
        return float(red - blue)

    plain_light = balance(SceneSpec())
    assert balance(SceneSpec(light=LightSpec(warmth="warm"))) > plain_light + 8
    assert balance(SceneSpec(light=LightSpec(warmth="cool"))) < plain_light - 8
    night = picture(jar, SceneSpec(time="night"))
    assert night.mean() < 0.7 * picture(jar, SceneSpec()).mean()


@pytest.mark.parametrize(("space", "axis", "sign"), [("left", 0, 1), ("right", 0, -1)])
def test_room_is_left_for_text(jar: Subject, space: Space, axis: int, sign: int) -> None:
    spot = place(jar, *SIZE, 0.62, space)
    middle = spot.left + spot.scale * (jar.box[axis] + jar.box[axis + 2]) / 2
    assert sign * (middle - SIZE[0] / 2) > 0.15 * SIZE[0]


def test_room_is_left_above(jar: Subject) -> None:
    top = place(jar, *SIZE, 0.62, "top")
    assert top.top + top.scale * jar.box[1] > 0.3 * SIZE[1]


def test_what_a_picture_cannot_show_is_not_said_to_be_applied(jar: Subject) -> None:
    wording = worded("red background, warm light, on a wooden table", lexicon())
    _, applied, _ = directed(wording, wishes_of(wording), "noir", None)
    shown = [item.value for item in applied if can_show(item, PRESETS["noir"], jar)]
    assert shown == ["wood"]
    whole = [item.value for item in applied if can_show(item, PRESETS["studio"], None)]
    assert whole == ["warm"]
    cut = replace(jar, grounding="anchored")
    assert [item.value for item in applied if can_show(item, PRESETS["studio"], cut)] == [
        "#ff0000", "warm",
    ]  # fmt: skip


def test_css_s_colours_are_all_there() -> None:
    assert len(css_colours()) == 148
    for name in css_colours():
        spoken = name.replace("-", " ")
        assert scene_of(f"{spoken} background").wall == Plane(colour_of(name)) or name in (
            # The names of materials are read as these.
            "linen", "snow",
        ), name  # fmt: skip


def test_every_phrase_of_the_lists_is_found_where_it_stands_alone() -> None:
    """A phrase that no prompt can hold is a slip of the pen."""
    lists = scene_lexicon()
    for path in FOLDER.glob("*.toml"):
        for kind, content in tomllib.loads(path.read_text("utf-8")).items():
            if kind in ROLES:
                continue
            tables = content if isinstance(content, dict) else {"": content}
            for key, phrases in tables.items():
                for phrase in phrases:
                    words = [word.split("|")[0].replace("*", "") for word in phrase.split()]
                    text = plain(" ".join(words))
                    marks = list(lists.marks(text))
                    assert [(mark.start, mark.end) for mark in marks] == [(0, len(text))], phrase
                    assert (kind, key) in marks[0].meanings, (path.name, kind, key, phrase)


def test_the_public_prompts_are_read_as_expected() -> None:
    """The list's tuned part, as far as it asks for a wall's or a floor's material or colour."""
    path = Path(__file__).resolve().parents[3] / "bench" / "vision" / "prompts.toml"
    for case in tomllib.loads(path.read_text("utf-8"))["prompt"]:
        if case.get("apart"):
            continue
        scene = scene_of(case["text"])
        if "surface" in case:
            found = scene.floor.surface or scene.wall.surface or "none"
            assert found == case["surface"], case
        if case.get("wall") == "none":
            assert scene.wall.colour is None, case
        elif "wall" in case:
            assert scene.wall.colour is not None, case
