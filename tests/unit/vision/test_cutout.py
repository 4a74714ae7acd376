"""The `cutout` mode: what is kept of the subject, where it stands, and what lies beneath it."""

from dataclasses import replace

import numpy as np
import pytest
from imagerift_contract.cutouts import CutoutOptions
from imagerift_vision import matting
from imagerift_vision.cutout_canvas import CutSubject, laid_out, spot_of
from imagerift_vision.decoding import decode
from imagerift_vision.errors import VisionError
from imagerift_vision.mode_call import ModeCall
from mask_cases import nothing, two_things
from odd_images import READABLE, scene
from PIL import Image, ImageDraw

RED = (200, 30, 40)


def thing(height=300, width=400, box=(120, 60, 280, 240)) -> CutSubject:
    """A red block."""
    alpha = np.zeros((height, width), np.float32)
    left, top, right, bottom = box
    alpha[top:bottom, left:right] = 1
    return CutSubject(np.full((height, width, 3), RED, np.uint8), alpha)


def canvas(guard, subject=None, size=(400, 300), **options):
    subject = thing() if subject is None else subject
    asked = CutoutOptions(**options)
    return laid_out(subject, spot_of(subject, size, asked), size, asked, guard)


def box_of(picture):
    """left, top, right, bottom of what is more red than not."""
    solid = (np.abs(picture[..., :3].astype(int) - RED).sum(axis=2) < 240) & (
        picture[..., 3] > 127 if picture.shape[2] == 4 else True
    )
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def test_a_subject_stays_where_the_source_has_it(guard) -> None:
    picture = canvas(guard)
    assert picture.shape == (300, 400, 4)
    assert box_of(picture) == (120, 60, 280, 240)
    assert picture[150, 200].tolist() == [*RED, 255]
    assert picture[10, 10].tolist() == [0, 0, 0, 0]


def test_on_a_colour_there_is_no_alpha_and_the_colour_is_exact(guard) -> None:
    picture = canvas(guard, background="#ffffff")
    assert picture.shape == (300, 400, 3)
    assert picture[10, 10].tolist() == [255, 255, 255]
    assert picture[150, 200].tolist() == list(RED)


@pytest.mark.parametrize("size", [(1000, 1000), (640, 1000), (1000, 400)])
@pytest.mark.parametrize("fill", [0.85, 0.5])
def test_the_subject_takes_the_share_that_was_asked_for(guard, size, fill) -> None:
    left, top, right, bottom = box_of(canvas(guard, size=size, background="#ffffff", fill=fill))
    share = max((right - left) / size[0], (bottom - top) / size[1])
    assert share == pytest.approx(fill, abs=0.004)
    assert (left + right) / 2 == pytest.approx(size[0] / 2, abs=1.5)
    assert (top + bottom) / 2 == pytest.approx(size[1] / 2, abs=1.5)


@pytest.mark.parametrize("align", ["top-left", "bottom-right", "top", "right", "center"])
def test_padding_and_alignment(guard, align) -> None:
    room = 50
    left, top, right, bottom = box_of(
        canvas(guard, size=(1000, 500), padding=0.1, fill=0.6, align=align)
    )
    assert min(left, top, 1000 - right, 500 - bottom) >= room - 1
    gaps = {"left": left, "top": top, "right": 1000 - right, "bottom": 500 - bottom}
    for side, gap in gaps.items():
        if side in align:
            assert gap == pytest.approx(room, abs=1)


def test_a_side_that_the_frame_cuts_lies_on_the_canvas_own(guard) -> None:
    cut = thing(box=(120, 100, 280, 300))
    for options in ({"fill": 0.5}, {"padding": 0.2}, {"align": "top"}, {}):
        picture = canvas(guard, cut, size=(600, 900), **options)
        assert box_of(picture)[3] == 900
        assert picture[-1, 300, 3] == 255


def test_a_subject_that_is_cut_on_both_sides_takes_the_whole_width(guard) -> None:
    cut = thing(box=(0, 100, 400, 240))
    left, _, right, _ = box_of(canvas(guard, cut, size=(800, 900), fill=0.5, padding=0.1))
    assert (left, right) == (0, 800)


@pytest.mark.parametrize("shadow", ["contact", "drop"])
@pytest.mark.parametrize("size", [(400, 300), (2000, 1500)])
def test_a_shadow_lies_below_and_beside_the_subject_alone(guard, shadow, size) -> None:
    plain = canvas(guard, size=size, background="#ffffff")
    shaded = canvas(guard, size=size, background="#ffffff", shadow=shadow)
    left, top, right, bottom = box_of(plain)
    # No row above it is touched, and nothing of the subject itself.
    assert np.array_equal(shaded[:top], plain[:top])
    # Enlarged, its edge is soft.
    inside = (slice(top + 6, bottom - 6), slice(left + 6, right - 6))
    assert np.array_equal(shaded[inside], plain[inside])
    below = shaded[bottom + 1 : bottom + size[1] // 60, left + 10 : right - 10]
    assert below.mean() < 225
    assert shaded.astype(int).max(initial=0) <= 255
    assert (shaded <= plain).all()


def test_a_shadow_on_nothing_is_black_and_half_transparent(guard) -> None:
    picture = canvas(guard, shadow="drop")
    beneath = picture[243, 200]
    assert beneath[:3].tolist() == [0, 0, 0]
    assert 40 < beneath[3] < 200
    assert not picture[:60].any()


def test_it_stops_between_strips(guard) -> None:
    class Stopped:
        left = 3

        def check(self) -> None:
            self.left -= 1
            if self.left < 0:
                raise VisionError("canceled", "the job was canceled")

        def seconds_left(self) -> float:
            return 1.0

    stopped = Stopped()
    with pytest.raises(VisionError, match="canceled"):
        canvas(stopped, size=(1024, 2048), shadow="drop")


def call(data: bytes, **changes) -> ModeCall:
    source = decode(data, 1024)
    values = {"cutout": None, "on_unclear_subject": "grade", "masked": False, "preset": None}
    values |= changes
    return ModeCall(
        "cutout",
        values.pop("image", source.rgba),
        "t",
        9.0,
        "",
        seeds=(1,),
        width=640,
        height=480,
        **values,
    )


def test_a_thing_is_cut_out_and_its_edge_shows_nothing_of_the_old_backdrop(loaded, guard) -> None:
    image = Image.new("RGB", (640, 480), (30, 160, 60))
    ImageDraw.Draw(image).ellipse((200, 120, 440, 360), fill=RED)
    answer = loaded["cutout"].run(call(READABLE["png"](image)), guard)
    picture = answer.images[0]
    assert picture.shape == (480, 640, 4)
    assert answer.preset == "transparent"
    assert answer.analysis.subject.treatment == "cut_out"
    assert 0.5 <= answer.analysis.subject.confidence <= 1
    assert [model.name for model in answer.models] == ["imagerift-cutout", "u2netp"]
    seen = picture[..., 3] > 40
    assert 0.8 < seen.sum() / (np.pi * 120 * 120) < 1.25
    # Green was all around it.
    redness = picture[seen][:, 0].astype(int) - picture[seen][:, 1]
    assert np.percentile(redness, 1) > 60


def test_the_same_call_gives_the_same_bytes(loaded, guard) -> None:
    data = two_things()
    asked = {"cutout": CutoutOptions(shadow="drop", fill=0.8), "on_unclear_subject": "cut"}
    first, again = (loaded["cutout"].run(call(data, **asked), guard).images for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("way", ["grade", "fail", "cut"])
def test_where_nothing_stands_out_there_is_nothing_to_cut(loaded, guard, way) -> None:
    with pytest.raises(VisionError) as refusal:
        loaded["cutout"].run(call(nothing(), on_unclear_subject=way), guard)
    assert (refusal.value.code, refusal.value.retryable) == ("subject_unclear", False)


def test_a_doubtful_one_is_delivered_only_where_that_was_asked_for(
    loaded, guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matting, "confidence", lambda _signs: 0.2)
    # What is kept of this doubt is gone with it.
    monkeypatch.setattr(loaded["cutout"], "_last", None)
    data = READABLE["jpeg"](scene())
    for way in ("grade", "fail"):
        with pytest.raises(VisionError, match="in doubt") as refusal:
            loaded["cutout"].run(call(data, on_unclear_subject=way), guard)
        assert refusal.value.code == "subject_unclear"
    told = loaded["cutout"].run(call(data, on_unclear_subject="cut"), guard).analysis.subject
    assert (told.treatment, told.reason, told.confidence) == ("cut_out", "doubt", 0.2)


def test_an_own_matte_is_taken_as_it_is(loaded, guard) -> None:
    rgba = decode(two_things(), 1024).rgba.copy()
    rgba[..., 3] = 0
    rgba[150:330, 370:550, 3] = 255
    answer = loaded["cutout"].run(call(two_things(), image=rgba, masked=True), guard)
    assert [model.name for model in answer.models] == ["imagerift-cutout"]
    assert answer.analysis.subject.reason == "given"
    assert np.array_equal(answer.images[0][..., 3], rgba[..., 3])


def test_an_unknown_preset_and_several_seeds_are_refused(loaded, guard) -> None:
    for wrong in ({"preset": "neon"}, {"seeds": (1, 2)}):
        with pytest.raises(VisionError) as refusal:
            loaded["cutout"].run(replace(call(two_things()), **wrong), guard)
        assert refusal.value.code == "invalid_request"


def test_a_source_is_cut_out_once_however_many_canvases_want_it(
    loaded, guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode, made = loaded["cutout"], []
    matte = mode._matting.matte
    monkeypatch.setattr(mode._matting, "matte", lambda rgb: made.append(1) or matte(rgb))
    square = replace(call(READABLE["png"](scene())), on_unclear_subject="cut")
    tall = replace(square, width=360, height=640)
    first, second = mode.run(square, guard), mode.run(tall, guard)
    assert len(made) == 1
    assert (first.images.shape, second.images.shape) == ((1, 480, 640, 4), (1, 640, 360, 4))
    assert first.analysis == second.analysis
    # Another source, or the same one as its own matte, is another cut-out.
    mode.run(call(two_things(), on_unclear_subject="cut"), guard)
    assert len(made) == 2
    again = mode.run(square, guard)
    assert len(made) == 3
    assert np.array_equal(again.images, first.images)
