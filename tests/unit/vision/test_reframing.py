"""Reframing keeps subject and faces whole, and invents backdrop only where it must."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagerift_vision.analysis import Analysis, People
from imagerift_vision.control import AttemptGuard, CancelFlags, Guard
from imagerift_vision.errors import VisionError
from imagerift_vision.extension import extended
from imagerift_vision.faces import Face, FaceFinder
from imagerift_vision.framing import bordered
from imagerift_vision.mode_call import ModeCall
from imagerift_vision.reframing import Contents, Window, detail_of, reframe
from odd_images import PORTRAIT, portrait
from PIL import Image

RATIOS = [1.0, 4 / 5, 9 / 16, 16 / 9, 3 / 2]


def contents(
    rows: slice, columns: slice, *, height: int = 400, width: int = 600, faces: tuple = ()
) -> Contents:
    interest = np.zeros((height, width), np.float32)
    interest[rows, columns] = 1
    return Contents(interest, np.ones_like(interest), faces, width, height)


def people(*places: tuple[int, int, float], width: int = 0, flipped: bool = False) -> np.ndarray:
    """The sample portrait at (left, top, scale) each, side by side in one picture."""
    photo = Image.open(PORTRAIT).convert("RGB")
    wide = width or max(round(left + 512 * scale) for left, _, scale in places)
    high = max(round(top + 512 * scale) for _, top, scale in places)
    picture = Image.new("RGB", (wide, high), (150, 150, 150))
    for number, (left, top, scale) in enumerate(places):
        side = round(512 * scale)
        one = photo.resize((side, side))
        if flipped and number % 2:
            one = one.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        picture.paste(one, (left, top))
    return np.asarray(picture)


def covers(window: Window, rows: slice, columns: slice) -> bool:
    return (
        window.left <= columns.start
        and window.left + window.width >= columns.stop
        and window.top <= rows.start
        and window.top + window.height >= rows.stop
    )


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("place", [(40, 420), (120, 30), (200, 300)])
def test_a_small_subject_is_cropped_to_and_never_cut(ratio: float, place: tuple[int, int]) -> None:
    rows, columns = slice(place[0], place[0] + 150), slice(place[1], place[1] + 140)
    window = reframe(contents(rows, columns), ratio)
    assert covers(window, rows, columns)
    assert window.beyond(600, 400) == (0, 0, 0, 0)
    assert window.width / window.height == pytest.approx(ratio, rel=0.01)
    # As much of the picture as its proportions allow.
    assert window.height == 400 or window.width == 600


@pytest.mark.parametrize("ratio", [1.0, 4 / 5, 9 / 16])
def test_the_backdrop_is_extended_only_where_the_subject_would_be_cut(ratio: float) -> None:
    rows, columns = slice(150, 250), slice(60, 540)
    window = reframe(contents(rows, columns), ratio)
    assert covers(window, rows, columns)
    left, top, right, bottom = window.beyond(600, 400)
    assert (left, right) == (0, 0)
    assert top > 0
    assert bottom > 0


def test_backdrop_is_never_put_beyond_a_border_that_cuts_the_subject() -> None:
    window = reframe(contents(slice(120, 400), slice(60, 540)), 4 / 5)
    assert window.beyond(600, 400)[3] == 0
    assert window.beyond(600, 400)[1] > 0


def test_a_close_up_that_fills_the_frame_is_cropped() -> None:
    window = reframe(contents(slice(0, 400), slice(0, 600)), 9 / 16)
    assert window.beyond(600, 400) == (0, 0, 0, 0)


def test_without_anything_that_stands_out_the_middle_is_shown() -> None:
    assert reframe(contents(slice(0, 0), slice(0, 0)), 1.0) == Window(100, 0, 400, 400)


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_portrait_keeps_its_head(ratio: float) -> None:
    pixels = np.asarray(portrait())
    height, width = pixels.shape[:2]
    faces = FaceFinder().find(pixels)
    # The person reaches from the top of the hair to the lower border.
    person = contents(slice(5, height), slice(100, 330), height=height, width=width, faces=faces)
    window = reframe(person, ratio)
    left, top, right, bottom = faces[0].box
    assert covers(window, slice(round(top), round(bottom)), slice(round(left), round(right)))
    assert window.beyond(width, height)[3] == 0


LAYOUTS = {
    "two apart": people((0, 0, 1.0), (512, 0, 1.0)),
    "two close": people((0, 0, 1.0), (260, 0, 1.0)),
    "three": people((0, 0, 1.0), (420, 0, 1.0), (840, 0, 1.0)),
    "one above the other": people((0, 0, 1.0), (0, 512, 1.0)),
    "both touch the frame": people((-165, 0, 1.0), (260, 0, 1.0), width=607, flipped=True),
    "one touches the frame": people((-165, 0, 1.0), width=347),
    "a child beside": people((0, 0, 1.0), (560, 270, 0.47)),
    "a passer-by": people((0, 0, 1.0), (600, 200, 0.35)),
}
FINDER = FaceFinder()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ratio", [9 / 16, 2 / 3, 1.0, 4 / 3, 16 / 9])
def test_no_face_is_cut(layout: str, ratio: float) -> None:
    picture = LAYOUTS[layout]
    faces = FINDER.find(picture)
    height, width = picture.shape[:2]
    nothing = np.zeros((320, 320), np.float32)
    seen = Contents(nothing, detail_of(picture, (320, 320)), faces, width, height)
    window = reframe(seen, ratio)
    assert window.width / window.height == pytest.approx(ratio, rel=0.02)
    shown = [face for face in faces if _share_shown(face, window) > 0]
    # Whole, or not at all; and that for passers-by alone.
    assert all(_share_shown(face, window) == 1 for face in shown)
    assert set(map(id, seen.main_faces)) <= set(map(id, shown))
    assert seen.faces_in(window) == len(shown)
    assert len(seen.main_faces) == len(faces) - (layout == "a passer-by")


def _share_shown(face: Face, window: Window) -> float:
    left, top, right, bottom = face.box
    wide = min(right, window.left + window.width) - max(left, window.left)
    high = min(bottom, window.top + window.height) - max(top, window.top)
    return round(max(0.0, wide) * max(0.0, high) / ((right - left) * (bottom - top)), 4)


@pytest.mark.parametrize("layout", ["two apart", "both touch the frame"])
@pytest.mark.parametrize("size", [(288, 512), (512, 512), (512, 288)])
def test_an_enhanced_picture_shows_every_face_and_says_so(
    loaded: Mapping[str, Any], guard: Guard, layout: str, size: tuple[int, int]
) -> None:
    rgba = np.asarray(Image.fromarray(LAYOUTS[layout]).convert("RGBA"))
    call = ModeCall("enhance", rgba, "test", float("inf"), "", None, (1,), *size)
    answer = loaded["enhance"].run(call, guard)
    faces = FINDER.find(
        np.asarray(Image.fromarray(answer.images[0]).resize((size[0] * 2, size[1] * 2)))
    )
    assert len(faces) == 2
    for face in faces:
        left, top, right, bottom = face.box
        assert left >= 0
        assert top >= 0
        assert right <= size[0] * 2
        assert bottom <= size[1] * 2
    assert answer.analysis is not None
    assert answer.analysis.people == People(2, 2)
    assert answer.analysis.framing == ("cropped" if size == (512, 288) else "bordered")


def test_a_style_that_restyles_the_whole_picture_cuts_no_face(
    loaded: Mapping[str, Any], guard: Guard
) -> None:
    """Two faces that fill their picture cannot be cut out and put before another backdrop."""
    face = Image.open(PORTRAIT).convert("RGBA").crop((120, 40, 320, 300))
    close = Image.new("RGBA", (560, 260), (150, 150, 150, 255))
    for left in (0, 200):
        close.paste(face, (left, 0))
    call = ModeCall("style", np.asarray(close), "test", float("inf"), "", "studio", (1,), 512, 512)
    answer = loaded["style"].run(call, guard)
    assert answer.analysis is not None
    assert answer.analysis.subject.treatment == "graded"
    told = replace(answer.analysis, prompt_read=None, subject=None)
    assert told == Analysis("request", framing="bordered", people=People(2, 2))
    assert len(FINDER.find(answer.images[0])) == 2


def test_a_plain_backdrop_is_extended_for_faces_and_a_busy_one_is_not() -> None:
    faces = FINDER.find(LAYOUTS["two apart"])
    nothing = np.zeros((320, 320), np.float32)
    plain = Contents(nothing, nothing, faces, 1024, 512)
    assert not reframe(plain, 1.0).bordered
    assert reframe(Contents(nothing, nothing + 0.01, faces, 1024, 512), 1.0).bordered
    # More than twice its own height is never invented.
    assert reframe(plain, 9 / 16).bordered


def test_a_border_is_the_picture_itself_out_of_focus() -> None:
    picture = np.full((60, 90, 3), (200, 40, 40), np.uint8)
    larger = bordered(picture, (5, 40, 0, 30))
    assert larger.shape == (130, 95, 3)
    assert np.array_equal(larger[40:100, 5:], picture)
    assert np.abs(larger[:40].astype(int) - (160, 32, 32)).max() <= 2


def test_extended_backdrop_is_continuous_and_without_a_second_subject(guard: Guard) -> None:
    rng = np.random.default_rng(1)
    picture = np.full((200, 300, 3), 120, np.uint8)
    picture += rng.integers(0, 6, picture.shape, dtype=np.uint8)
    interest = np.zeros((200, 300), np.float32)
    picture[40:160, 20:150] = (220, 20, 20)
    interest[40:160, 20:150] = 1
    larger = extended(picture, interest, (80, 30, 0, 10), guard)
    assert larger.shape == (240, 380, 3)
    assert np.array_equal(larger[30:230, 80:], picture)
    outside = larger[:, :80].astype(int)
    assert np.abs(outside - 122).max() < 40
    assert np.abs(larger[30:230, 78].astype(int) - larger[30:230, 81]).mean() < 6


def test_texture_and_structure_go_on_where_the_picture_ends(guard: Guard) -> None:
    """Slanting stripes, and a border between dark and light, cut off at both sides."""
    y, x = np.mgrid[:160, :360]
    stripes = 120 + 50 * np.sin((x + 2 * y) / 5.0)
    whole = np.where(x + 1.5 * y < 130, 25, stripes)
    whole = np.repeat(whole[..., None], 3, axis=2).astype(np.uint8)
    rng = np.random.default_rng(1)
    whole += rng.integers(0, 6, whole.shape, dtype=np.uint8)
    shown = np.ascontiguousarray(whole[:, 60:300])
    nothing = np.zeros(shown.shape[:2], np.float32)
    larger = extended(shown, nothing, (60, 0, 60, 0), guard)
    assert np.array_equal(larger, extended(shown, nothing, (60, 0, 60, 0), guard))
    mirrored = np.pad(shown, ((0, 0), (60, 60), (0, 0)), mode="reflect")
    for side in (slice(0, 45), slice(315, 360)):
        alike = np.corrcoef(larger[:, side].ravel(), whole[:, side].ravel())[0, 1]
        assert alike > 0.85
        assert np.corrcoef(mirrored[:, side].ravel(), whole[:, side].ravel())[0, 1] < alike - 0.3


def test_extension_stops_when_it_is_told(tmp_path: Path) -> None:
    flags = CancelFlags(tmp_path)
    flags.raise_flag("stopped")
    picture, nothing = np.zeros((90, 120, 3), np.uint8), np.zeros((90, 120), np.float32)
    with pytest.raises(VisionError) as stopped:
        extended(picture, nothing, (20, 0, 0, 0), AttemptGuard(flags, "stopped", float("inf")))
    assert stopped.value.code == "canceled"
