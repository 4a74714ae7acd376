"""A product over a background: its own pixels, the proof of that, and what is done around it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from imagerift_vision.colours import difference
from imagerift_vision.compositing.contact import grounded
from imagerift_vision.compositing.harmony import MOST_DIFFERENCE, MOST_STOPS, harmonised
from imagerift_vision.compositing.pasting import STRIP_ROWS, Product, View, pasted
from imagerift_vision.compositing.proving import proven
from imagerift_vision.control import Guard
from imagerift_vision.errors import VisionError
from imagerift_vision.photo_enlarging import PhotoEnlarger
from imagerift_vision.scene.placement import Placement, Subject, describe
from imagerift_vision.weights.shelf import Shelf
from test_stops import Counted
from tiny_networks import shelf_with

from tests.support.products import product

GREY = 90


def subject_of(rgba: np.ndarray) -> Subject:
    return describe(rgba[..., :3].astype(np.float32) / 255, rgba[..., 3].astype(np.float32) / 255)


@pytest.fixture
def box() -> Product:
    rgba = product("box", 0)
    return Product.of(subject_of(rgba), np.ascontiguousarray(rgba[..., :3]))


def plain(width: int = 480, height: int = 2 * STRIP_ROWS + 40) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def test_at_its_own_size_each_pixel_is_the_source_s(box: Product, guard: Guard) -> None:
    view = View(box, Placement(1.0, 60, 30), 480)
    picture = pasted(plain(), view, guard)
    high, wide = box.alpha.shape
    part = picture[30 : 30 + high, 60 : 60 + wide]
    solid = box.alpha == 1
    assert np.array_equal(part[solid], box.original[solid])
    assert (part[box.alpha == 0] == GREY).all()
    proof = proven(picture, view, guard)
    assert proof.holds
    assert proof.difference == 0
    assert 0.9 < proof.share < 1


@pytest.mark.parametrize("scale", [0.31, 0.74, 0.9, 1.7, 4.3])
def test_at_any_scale_the_product_is_its_source_resampled_and_no_more(
    box: Product, guard: Guard, scale: float
) -> None:
    height = round(420 * scale) + 40
    placement = Placement(scale, 20.4, 20.7)
    view = View(box, placement, round(360 * scale) + 40)
    picture = pasted(plain(round(360 * scale) + 40, height), view, guard)
    proof = proven(picture, view, guard)
    assert (proof.holds, proof.difference) == (True, 0)
    # Reckoned another way: the middle of the label, as an ordinary enlargement shows it.
    size = (round(360 * scale), round(420 * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    wanted = cv2.resize(box.original, size, interpolation=way).astype(int)
    rows, columns = (slice(round(a * scale), round(b * scale)) for a, b in ((200, 260), (150, 210)))
    near = cv2.GaussianBlur(wanted.astype(np.float32), (0, 0), 3)[rows, columns]
    down, right = (slice(each.start + 20, each.stop + 20) for each in (rows, columns))
    shown = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 3)[down, right]
    assert np.abs(near - shown).mean() < 4


def test_one_pixel_inside_that_is_another_breaks_the_proof(box: Product, guard: Guard) -> None:
    view = View(box, Placement(1.0, 60, 30), 480)
    picture = pasted(plain(), view, guard)
    row, column = (int(part) for part in np.argwhere(box.alpha == 1).mean(axis=0))
    picture[30 + row, 60 + column, 1] ^= 1
    proof = proven(picture, view, guard)
    assert (proof.holds, proof.difference) == (False, 1)


@pytest.mark.parametrize("change", ["lit", "moved", "blurred"])
def test_a_product_that_is_lit_moved_or_redrawn_breaks_the_proof(
    box: Product, guard: Guard, change: str
) -> None:
    view = View(box, Placement(1.3, 10, 10), 520)
    picture = pasted(plain(520, 600), view, guard)
    changed = {
        "lit": lambda: (picture * 0.98).astype(np.uint8),
        "moved": lambda: np.roll(picture, 1, axis=1),
        "blurred": lambda: cv2.GaussianBlur(picture, (0, 0), 0.6),
    }[change]()
    assert not proven(changed, view, guard).holds


def test_of_what_is_nowhere_solid_nothing_is_proven(guard: Guard) -> None:
    rgba = product("box", 1)
    rgba[..., 3] //= 2
    glass = Product.of(subject_of(rgba), np.ascontiguousarray(rgba[..., :3]))
    view = View(glass, Placement(1.0, 0, 0), 360)
    proof = proven(pasted(plain(360, 420), view, guard), view, guard)
    assert (proof.share, proof.holds) == (0, False)


def test_what_the_frame_cuts_is_compared_up_to_the_canvas_own_edge(guard: Guard) -> None:
    rgba = product("box", 2)[:300]
    cut = Product.of(subject_of(rgba), np.ascontiguousarray(rgba[..., :3]))
    assert cut.cut
    view = View(cut, Placement(1.0, 0, 40), 360)
    picture = pasted(plain(360, 340), view, guard)
    assert proven(picture, view, guard).holds
    picture[-1, 180] ^= 1
    assert not proven(picture, view, guard).holds


@pytest.mark.parametrize("stage", ["pasting", "proving"])
def test_a_stop_ends_a_stage_between_two_strips(box: Product, guard: Guard, stage: str) -> None:
    view = View(box, Placement(1.0, 60, 30), 480)
    picture = pasted(plain(), view, guard)
    run = {
        "pasting": lambda seen: pasted(plain(), view, seen),
        "proving": lambda seen: proven(picture, view, seen),
    }[stage]
    whole = Counted()
    run(whole)
    assert whole.seen >= len(picture) / STRIP_ROWS
    for looks in range(whole.seen):
        with pytest.raises(VisionError, match="timeout"):
            run(Counted(looks))


def standing() -> np.ndarray:
    """The matte of a box in the middle of 512 x 512."""
    alpha = np.zeros((512, 512), np.float32)
    alpha[180:380, 190:320] = 1
    return alpha


def test_a_background_comes_towards_the_set_s_light_within_limits() -> None:
    alpha = standing()
    drawn = np.full((512, 512, 3), (150, 150, 150), np.uint8)
    lit = np.full((512, 512, 3), (250, 120, 60), np.uint8)
    after = harmonised(drawn, lit, alpha)
    before = (150 / 255,) * 3
    beside = tuple(float(part) / 255 for part in after[390, 256])
    assert beside[0] > before[0] > beside[2]
    # A step of 8 bits, and the way there and back, on top of both limits.
    assert difference(before, beside) <= MOST_DIFFERENCE + 1
    stops = 2.2 * np.abs(np.log2(after.astype(np.float64) / drawn))
    assert stops.max() <= MOST_STOPS + 0.02
    # Far from the product it is as it was drawn.
    assert np.abs(after[0, 0].astype(int) - 150).max() <= 4


def test_what_is_narrow_keeps_its_contrast() -> None:
    fine = np.random.default_rng(1).integers(60, 200, (512, 512, 3), np.uint8)
    after = harmonised(fine, np.full_like(fine, 40), standing()).astype(np.float64)
    before = fine.astype(np.float64)
    gain = cv2.GaussianBlur(after / before, (0, 0), 4)
    assert after[400:].mean() < before[400:].mean()
    assert np.abs(after - before * gain).mean() < 1


def test_in_the_set_s_own_light_nothing_changes() -> None:
    same = np.random.default_rng(2).integers(0, 255, (256, 256, 3), np.uint8)
    after = harmonised(same, same, np.zeros((256, 256), np.float32))
    assert np.abs(after.astype(int) - same).max() <= 1


def test_a_product_without_a_shadow_gets_one_where_it_stands() -> None:
    floor = np.full((512, 512, 3), 180, np.uint8)
    after = grounded(floor, standing(), "floor")
    under, beside = after[384, 200:310].mean(), after[384, 20:100].mean()
    assert under < 0.8 * beside
    assert (after[:170] == 180).all()


def test_a_shadow_that_was_drawn_is_kept() -> None:
    floor = np.full((512, 512, 3), 180, np.uint8)
    floor[372:420, 170:340] = 60
    assert np.array_equal(grounded(floor, standing(), "floor"), floor)


def test_what_the_frame_cuts_stands_on_nothing() -> None:
    floor = np.full((512, 512, 3), 180, np.uint8)
    assert np.array_equal(grounded(floor, standing(), "anchored"), floor)


def test_a_thing_seen_from_above_gets_its_shadow_around_it() -> None:
    table = np.full((512, 512, 3), 180, np.uint8)
    after = grounded(table, standing(), "table")
    assert after[383, 250].mean() < 175
    assert (after[:120] == 180).all()


def test_photographs_are_never_enlarged_by_the_network_for_drawings(guard: Guard) -> None:
    packaged = PhotoEnlarger(1, Shelf(None))
    photo = np.random.default_rng(3).integers(0, 255, (40, 60, 3), np.uint8)
    assert packaged.network_for((60, 40), (240, 160)) is None
    large = packaged.sized(photo, (240, 160), guard)
    wanted = cv2.resize(photo, (240, 160), interpolation=cv2.INTER_LANCZOS4)
    assert np.array_equal(large, wanted)


def test_a_network_of_the_slot_s_own_enlarges_them(tmp_path: Path, guard: Guard) -> None:
    shelf = shelf_with(tmp_path / "shelf", "upscaling", "realesrgan")
    enlarger = PhotoEnlarger(1, shelf)
    network = enlarger.network_for((60, 40), (240, 160))
    assert network is not None
    assert network.version.startswith("sha256:")
    photo = np.random.default_rng(3).integers(0, 255, (40, 60, 3), np.uint8)
    assert enlarger.sized(photo, (240, 160), guard).shape == (160, 240, 3)
    # So little is plain resampling, and so is making it smaller.
    assert enlarger.network_for((60, 40), (66, 44)) is None
    assert enlarger.sized(photo, (30, 20), guard).shape == (20, 30, 3)
