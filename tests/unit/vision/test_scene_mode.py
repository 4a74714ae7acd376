"""The scene mode: a product in new surroundings that stays what it is, or is not delivered."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generate_cases import request_for
from imagerift_vision import scene_mode
from imagerift_vision.control import CancelFlags, Guard
from imagerift_vision.diffusion_families.family import Task
from imagerift_vision.entry_model import answer
from imagerift_vision.errors import VisionError
from imagerift_vision.generate import Pipeline
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.requests import ModelVersion
from imagerift_vision.scene.composition import composed
from imagerift_vision.scene.render import lamp_of
from imagerift_vision.scene_backgrounds import DrawnBackgrounds, backgrounds_of
from imagerift_vision.scene_mode import LOOKS, SceneMode
from imagerift_vision.storage import OriginClient
from imagerift_vision.subject_proof import SubjectProof
from origin import Origin
from PIL import Image
from test_stops import Counted

from tests.support.products import BESIDE, PRODUCTS, file_of, product

SIZES = {"base": (1024, 768), "2k": (2048, 1536), "4k": (3072, 4096)}


class Painter:
    """The pool's model: noise where the alpha lets it, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[ModeCall] = []
        self.gives: ModeAnswer | None = None

    def call(self, call: ModeCall) -> ModeAnswer:
        self.asked.append(call)
        if self.gives is not None:
            return self.gives
        rng = np.random.default_rng(call.seeds[0])
        noise = rng.integers(0, 255, (call.height, call.width, 3), np.uint8)
        kept = call.image[..., 3:] >= 128 if call.masked else np.zeros((1, 1, 1), bool)
        drawn = np.where(kept, call.image[..., :3], noise)
        return ModeAnswer(drawn[None], call.preset, (ModelVersion("painter", "1"),))


@pytest.fixture
def painter() -> Painter:
    return Painter()


@pytest.fixture(scope="module")
def loaded_scene() -> SceneMode:
    return SceneMode(threads=1)


@pytest.fixture
def studio(loaded_scene: SceneMode) -> SceneMode:
    """Without a diffusion model."""
    loaded_scene._backgrounds = None
    return loaded_scene


@pytest.fixture
def drawn(loaded_scene: SceneMode, painter: Painter, request: pytest.FixtureRequest) -> SceneMode:
    task: Task = getattr(request, "param", "inpaint")
    loaded_scene._backgrounds = DrawnBackgrounds(painter, "diffusion", task)
    return loaded_scene


def call(rgba: np.ndarray | None = None, **changes: Any) -> ModeCall:
    image = product("bottle", 0) if rgba is None else rgba
    asked = ModeCall("scene", image, "job/1", 60.0, "", "studio", (1,), 320, 256, mode="scene")
    return replace(asked, **changes)


@pytest.mark.parametrize(("position", "size"), list(enumerate(["base", "base", "2k", "4k"])))
def test_a_product_stays_the_product_at_every_size(
    studio: SceneMode, guard: Guard, position: int, size: str
) -> None:
    width, height = SIZES[size]
    rgba = product(*PRODUCTS[5 * position])
    preset = list(LOOKS)[2 * position]
    made = studio.run(call(rgba, preset=preset, width=width, height=height), guard)
    assert made.images.shape == (1, height, width, 3)
    (proof,) = made.proofs
    assert proof is not None
    assert (proof.holds, proof.difference) == (True, 0)
    assert proof.share > 0.75
    # Nothing of what was around it has come along.
    green = np.abs(made.images[0].astype(int) - BESIDE).max(axis=2)
    assert (green > 60).all()


def test_the_product_s_pixels_are_those_of_the_source_to_the_bit(
    studio: SceneMode, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A canvas of the source's own scale, without the seed's framing: no resampling at all."""
    rgba = product("box", 1)
    monkeypatch.setattr(scene_mode, "composed", lambda preset, _seed: preset)
    spot = scene_mode.placed

    def whole(subject: Any, preset: Any, size: tuple[int, int]) -> Any:
        return replace(spot(subject, preset, size), scale=1.0, left=70.0, top=50.0)

    monkeypatch.setattr(scene_mode, "placed", whole)
    picture = studio.run(call(rgba, width=500, height=520), guard).images[0]
    rows, columns = np.flatnonzero(rgba[..., 3].any(1)), np.flatnonzero(rgba[..., 3].any(0))
    top, left = rows[0] - 12, columns[0] - 12
    part = picture[50 : 50 + len(rows) + 24, 70 : 70 + len(columns) + 24]
    source = rgba[top : top + part.shape[0], left : left + part.shape[1]]
    solid = source[..., 3] == 255
    assert np.array_equal(part[solid], source[solid][:, :3])


def test_the_same_seed_gives_the_same_bytes_and_another_one_another_picture(
    drawn: SceneMode, guard: Guard
) -> None:
    first = drawn.run(call(seeds=(5, 6)), guard)
    again = drawn.run(call(seeds=(6,)), guard)
    assert np.array_equal(first.images[1], again.images[0])
    assert not np.array_equal(first.images[0], first.images[1])


def test_the_background_is_drawn_around_the_product_on_the_studio_s_set(
    drawn: SceneMode, painter: Painter, guard: Guard
) -> None:
    asked = call(prompt="on a quay", seeds=(7,), width=640, height=512, negative_prompt="ships")
    made = drawn.run(asked, guard)
    (seen,) = painter.asked
    assert (seen.model, seen.mode, seen.masked) == ("diffusion", "scene", True)
    side = "left" if lamp_of(LOOKS["studio"], 7).side < 0 else "right"
    assert (seen.prompt, seen.negative_prompt) == (f"on a quay, light from the {side}", "ships")
    assert (seen.seeds, seen.width, seen.height, seen.preset) == ((7,), 640, 512, "studio")
    assert seen.attempt_id == "job/1"
    # It is shown the product itself, and the matte around which it draws.
    kept = seen.image[..., 3] == 255
    assert 0.02 < kept.mean() < 0.5
    inside = made.images[0][kept].astype(int) - seen.image[..., :3][kept]
    assert np.abs(inside).mean() < 2
    # What is far from it is what was drawn.
    noise = np.random.default_rng(7).integers(0, 255, (512, 640, 3), np.uint8)
    assert np.abs(made.images[0][:20].astype(int) - noise[:20]).mean() < 12
    assert ModelVersion("painter", "1") in made.models
    assert made.models[0] == scene_mode.COMPOSITOR
    # Words that the studio does not know are drawn.
    assert made.analysis is not None
    assert made.analysis.prompt_read is not None
    assert made.analysis.prompt_read.ignored == ()


@pytest.mark.parametrize("drawn", ["edit"], indirect=True)
def test_an_editor_is_shown_the_empty_set_and_told_what_to_make_of_it(
    drawn: SceneMode, painter: Painter, guard: Guard
) -> None:
    made = drawn.run(call(prompt="on a quay", seeds=(7,), width=640, height=512), guard)
    (seen,) = painter.asked
    assert not seen.masked
    assert (seen.image[..., 3] == 255).all()
    assert "empty set: on a quay" in seen.prompt
    # The bottle is red, and nothing of the studio's set is.
    pixels = seen.image[..., :3].astype(int)
    assert not ((pixels[..., 0] - pixels[..., 1]) > 60).any()
    (proof,) = made.proofs
    assert proof is not None
    assert proof.holds


def test_a_background_is_drawn_small_and_the_product_laid_on_it_large(
    drawn: SceneMode, painter: Painter, guard: Guard
) -> None:
    made = drawn.run(call(width=2048, height=1536), guard)
    (seen,) = painter.asked
    assert (seen.width, seen.height) == (1024, 768)
    assert made.images.shape == (1, 1536, 2048, 3)
    (proof,) = made.proofs
    assert proof is not None
    assert (proof.holds, proof.difference) == (True, 0)


def test_a_small_photo_s_product_lies_at_every_size_where_its_background_was_drawn_for(
    drawn: SceneMode, painter: Painter, guard: Guard
) -> None:
    small = product("plate", 0, height=90, width=80)
    for edge in (1024, 4096):
        drawn.run(call(small, width=edge, height=edge), guard)
    base, large = (one.image for one in painter.asked)
    assert np.array_equal(base, large)
    preset = composed(LOOKS["studio"], 1)
    cut = drawn._study._last.subject
    spots = [scene_mode.placed(cut, preset, (edge, edge)) for edge in (1024, 4096)]
    assert spots[1].scale == pytest.approx(4 * spots[0].scale)
    assert spots[1].left == pytest.approx(4 * spots[0].left)


@pytest.mark.parametrize("mode", ["studio", "drawn"])
def test_a_job_ends_at_whichever_look_says_so(mode: str, request: pytest.FixtureRequest) -> None:
    scene: SceneMode = request.getfixturevalue(mode)

    def asked(number: int) -> ModeCall:
        """Another picture each time: of the one before, the mode keeps what it has found."""
        rgba = product("box", 0)
        rgba[0, 0, 0] = number
        return call(rgba, width=400, height=560)

    whole = Counted()
    scene.run(asked(0), whole)
    # Reading, studying, the set, pasting and proving by strips.
    assert whole.seen >= 12
    for looks in range(whole.seen):
        with pytest.raises(VisionError, match="timeout"):
            scene.run(asked(looks + 1), Counted(looks))


def test_what_the_background_s_model_says_ends_that_picture_alone(
    drawn: SceneMode, painter: Painter, guard: Guard
) -> None:
    nothing = np.zeros((0, 1, 1, 3), np.uint8)
    painter.gives = ModeAnswer(nothing, None, (), omitted=((0, "content_filtered"),))
    with pytest.raises(VisionError, match="content_filtered"):
        drawn.run(call(seeds=(1, 2)), guard)
    painter.gives = ModeAnswer(nothing, None, (), error=VisionError("out_of_memory", "no memory"))
    with pytest.raises(VisionError, match="out_of_memory"):
        drawn.run(call(), guard)
    painter.gives = ModeAnswer(np.zeros((1, 8, 8, 3), np.uint8), None, ())
    with pytest.raises(VisionError, match="another size"):
        drawn.run(call(), guard)
    painter.gives = ModeAnswer(nothing, None, (), error=VisionError("canceled", "it was canceled"))
    with pytest.raises(VisionError, match="canceled"):
        drawn.run(call(seeds=(1, 2)), guard)


def test_a_picture_that_fails_its_proof_is_not_given_out(
    studio: SceneMode, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = scene_mode.pasted
    darkened: list[int] = []

    def careless(*given: Any) -> np.ndarray:
        """Every other picture is a touch darker."""
        darkened.append(len(darkened) % 2)
        return honest(*given) - np.uint8(darkened[-1] == 0)

    monkeypatch.setattr(scene_mode, "pasted", careless)
    made = studio.run(call(seeds=(1, 2, 3)), guard)
    assert made.omitted == ((0, "model_error"), (2, "model_error"))
    assert len(made.images) == 1
    darkened.clear()
    with pytest.raises(VisionError, match="own pixels"):
        studio.run(call(seeds=(1,)), guard)


def test_without_a_subject_there_is_no_scene(studio: SceneMode, guard: Guard) -> None:
    flat = np.full((256, 320, 4), 255, np.uint8)
    with pytest.raises(VisionError, match="subject_unclear"):
        studio.run(call(flat), guard)
    # A close-up that the frame cuts above as well.
    with pytest.raises(VisionError, match="cuts the subject"):
        studio.run(call(product("box", 0)[150:300, 120:240], masked=True), guard)


@pytest.mark.parametrize("preset", ["oil", "levitate"])
def test_a_look_that_would_redraw_the_product_is_refused(
    studio: SceneMode, guard: Guard, preset: str
) -> None:
    with pytest.raises(VisionError, match="invalid_request"):
        studio.run(call(preset=preset), guard)


def test_a_prompt_for_such_a_look_gets_the_plain_one_and_is_told(
    studio: SceneMode, guard: Guard
) -> None:
    made = studio.run(call(preset=None, prompt="oil painting of a bottle"), guard)
    assert made.preset == "studio"
    assert made.analysis is not None
    read = made.analysis.prompt_read
    assert read is not None
    assert [item.words for item in read.ignored if item.reason == "impossible"] == ["oil painting"]


def test_what_is_not_wanted_is_read_as_refused(studio: SceneMode, guard: Guard) -> None:
    wanted = {"preset": None, "prompt": "neon light"}
    assert studio.run(call(**wanted), guard).preset == "neon"
    assert studio.run(call(**wanted, negative_prompt="blur, neon light"), guard).preset != "neon"


def test_a_subject_that_need_not_be_kept_is_lit_with_its_scene(
    drawn: SceneMode, painter: Painter, guard: Guard
) -> None:
    kept = drawn.run(call(preset="noir"), guard)
    lit = drawn.run(call(preset="noir", keep_subject=False), guard)
    assert lit.proofs == (None,)
    assert len(painter.asked) == 1
    red = [np.ptp(one.images[0].astype(int), axis=2).max() for one in (kept, lit)]
    assert red[0] > 100 > red[1]


class Claims:
    """A mode's model of anyone's, which claims proofs."""

    def __init__(self, *proofs: SubjectProof | None) -> None:
        self.proofs = proofs

    def call(self, call: ModeCall) -> ModeAnswer:
        rng = np.random.default_rng(0)
        images = rng.integers(0, 255, (len(call.seeds), call.height, call.width, 3), np.uint8)
        return ModeAnswer(images, None, (), proofs=self.proofs)


class InProcess:
    """The mode without a server."""

    def __init__(self, scene: SceneMode, guard: Guard) -> None:
        self.scene, self.guard = scene, guard

    def call(self, call: ModeCall) -> ModeAnswer:
        return self.scene.run(call, self.guard)


@pytest.fixture
def delivered(origin: Origin, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The RESULT of a job, with its pictures in the store."""

    def run(models: Any, **changes: Any) -> dict[str, Any]:
        pipeline = Pipeline(OriginClient(origin.url), models, {"scene": "scene"})
        body = file_of(product("mug", 1))
        request = request_for(origin, body, mode="scene", prompt="", **changes)
        try:
            result = answer(json.dumps(request), CancelFlags(tmp_path), pipeline.run)
        finally:
            pipeline.close()
        told: dict[str, Any] = json.loads(result.to_json())
        return told

    return run


@pytest.mark.parametrize("output_format", ["png", "webp"])
def test_the_proof_is_written_into_the_file(
    studio: SceneMode,
    guard: Guard,
    origin: Origin,
    delivered: Callable[..., dict[str, Any]],
    output_format: str,
) -> None:
    told = delivered(InProcess(studio, guard), outputFormat=output_format)
    assert told["error"] is None
    assert {"name": "imagerift-scene", "version": "1"} in told["models"]
    file = Image.open(io.BytesIO(origin.outputs["0"][1]))
    xmp = file.info["xmp" if output_format == "webp" else "XML:com.adobe.xmp"]
    xmp = xmp.decode() if isinstance(xmp, bytes) else xmp
    assert 'imagerift:subject="kept"' in xmp
    assert 'imagerift:subjectDifference="0/255"' in xmp
    if output_format == "png":
        assert file.info["imagerift:subject"] == "kept"
        assert float(file.info["imagerift:subjectCompared"]) > 0.75


def test_no_file_says_kept_without_a_proof(
    studio: SceneMode, guard: Guard, origin: Origin, delivered: Callable[..., dict[str, Any]]
) -> None:
    told = delivered(InProcess(studio, guard), keepSubject=False)
    assert told["error"] is None
    assert b"imagerift:subject" not in origin.outputs["0"][1]


def test_whoever_s_model_it_is_a_picture_whose_proof_fails_is_not_delivered(
    origin: Origin, delivered: Callable[..., dict[str, Any]]
) -> None:
    claims = Claims(SubjectProof(0.0, 0.9), SubjectProof(1.0, 0.9), SubjectProof(0.0, 0.0))
    told = delivered(claims, variations=3)
    assert [output["index"] for output in told["outputs"]] == [0]
    assert told["omitted"] == [{"index": index, "code": "model_error"} for index in (1, 2)]
    assert {name for name in origin.outputs if not name.startswith("small")} == {"0"}
    assert delivered(Claims(SubjectProof(1.0, 0.9)))["error"]["code"] == "model_error"
    # Which picture a proof is of cannot be guessed.
    assert delivered(Claims(SubjectProof(0.0, 0.9)), variations=2)["error"]["code"] == "model_error"


def test_without_a_diffusion_model_the_studio_s_sets_are_around_it() -> None:
    assert backgrounds_of(Painter(), None, {}) is None
    ours = backgrounds_of(Painter(), "our_painter", {})
    assert ours is not None
    assert (ours.model, ours.task) == ("our_painter", "inpaint")
