"""The bench's measures: known errors give known figures, and its pictures are the same again."""

from dataclasses import replace

import numpy as np
import pytest
from imagerift_vision.reframing import Window

from bench.vision import compose, framing, mattes, metrics, plan

SIDE = 64


def square(size=32, side=SIDE):
    matte = np.zeros((side, side), np.float32)
    start = (side - size) // 2
    matte[start : start + size, start : start + size] = 1
    return matte


def test_a_matte_equal_to_its_reference_has_no_error():
    soft = np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    for matte in (square(), soft):
        assert metrics.soft_iou(matte, matte) == pytest.approx(1)
        assert metrics.sum_of_differences(matte, matte) == 0
        assert metrics.gradient_error(matte, matte) == 0


def test_soft_iou_of_halves_and_of_nothing():
    half = square()
    half[: SIDE // 2] = 0
    assert metrics.soft_iou(half, square()) == pytest.approx(0.5)
    assert metrics.soft_iou(square() * 0.25, square()) == pytest.approx(0.25)
    empty = np.zeros_like(half)
    assert metrics.soft_iou(empty, square()) == 0
    assert metrics.soft_iou(empty, empty) == 1


def test_a_lost_stalk_shows_in_the_extent():
    with_stalk = square(20)
    with_stalk[2:22, 31:33] = 1
    assert metrics.soft_iou(square(20), with_stalk) > 0.9
    assert metrics.extent_overlap(square(20), with_stalk) == pytest.approx(20 / 40)
    assert metrics.extent_overlap(with_stalk, with_stalk) == 1
    empty = np.zeros_like(with_stalk)
    assert metrics.extent_overlap(empty, with_stalk) == 0
    assert metrics.extent_overlap(empty, empty) == 1


def test_sad_is_the_differing_pixels_in_thousands():
    assert metrics.sum_of_differences(square(), np.zeros((SIDE, SIDE), np.float32)) == (
        pytest.approx(32 * 32 / 1000)
    )
    assert metrics.sum_of_differences(square() * 0.5, square()) == pytest.approx(32 * 32 / 2000)


def test_the_gradient_error_of_a_slope_is_its_steepness_squared():
    """A slope of 1 / 64 a pixel beside a flat matte differs by that everywhere."""
    slope = np.tile(np.arange(SIDE, dtype=np.float32) / SIDE, (SIDE, 1))
    inner = SIDE - 12
    error = metrics.gradient_error(slope, np.zeros_like(slope)) * 1000
    assert error == pytest.approx(SIDE * SIDE / SIDE**2, rel=(SIDE - inner) / SIDE)
    assert metrics.gradient_error(square(30), square()) < metrics.gradient_error(
        square(8), square()
    )


def disc(colour=(0.7, 0.2, 0.1), side=80, alpha=1.0):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    seen = ((x**2 + y**2) < (side / 2 - 1) ** 2).astype(np.float32) * np.float32(alpha)
    return np.dstack([np.full((side, side, 3), colour, np.float32), seen])


PHOTO = np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8)
WHOLE = (0.0, 0.0, 1.0, 1.0)
PICTURE = plan.Picture("compact", ("food/disc",), "noise")


def composed(picture=PICTURE, *stamps):
    return compose.compose(picture, list(stamps) or [disc()], PHOTO, WHOLE)


def test_a_composite_is_the_same_again_and_another_for_another_picture():
    first, again = composed(), composed()
    assert first.rgb.tobytes() == again.rgb.tobytes()
    assert first.reference.tobytes() == again.reference.tobytes()
    other = composed(replace(PICTURE, on="other noise"))
    assert other.rgb.tobytes() != first.rgb.tobytes()


def test_a_composite_shows_the_thing_where_its_reference_says():
    made = composed()
    assert made.reference.shape == made.rgb.shape[:2]
    inside, outside = made.reference > 0.99, made.reference < 0.01
    assert 0.1 < inside.mean() < 0.5
    red = made.rgb[..., 0].astype(int) - made.rgb[..., 2]
    assert red[inside].mean() > red[outside].mean() + 60


@pytest.mark.parametrize(
    ("cut", "border"), [("left", np.s_[:, 0]), ("right", np.s_[:, -1]), ("bottom", np.s_[-1])]
)
def test_a_cut_thing_reaches_over_that_border_alone(cut, border):
    reference = composed(replace(PICTURE, cut=cut)).reference
    assert (reference[border] > 0.9).mean() > 0.2
    borders = [reference[0], reference[-1], reference[:, 0], reference[:, -1]]
    assert sum(bool((edge > 0.9).any()) for edge in borders) == 1


def test_several_things_are_all_in_the_reference():
    two = replace(PICTURE, kind="several", stamps=("food/disc", "food/disc"))
    reference = composed(two, disc(), disc((0.1, 0.2, 0.7))).reference
    columns = (reference > 0.9).any(axis=0)
    # From one to the other and back: two islands.
    assert np.count_nonzero(np.diff(columns.astype(int)) == 1) == 2


def test_a_glass_belongs_to_the_subject_where_one_sees_through_it():
    glass = disc(alpha=0.3)
    glass[30:50, 30:50, 3] = 0
    assert composed(PICTURE, glass).reference.max() == pytest.approx(1, abs=0.01)
    filled = compose.silhouette(glass[..., 3])
    assert filled[40, 40] == 1
    assert filled[0, 0] == 0


def result(iou=None, reason="sure", *, extent=1.0, subject=True, apart=False):
    return mattes.Result(
        name="x",
        kind="compact",
        apart=apart,
        subject=subject,
        iou=iou,
        extent=None if iou is None else extent,
        sad=iou,
        gradient=iou,
        reason=reason,
        confidence=0.9 if reason == "sure" else 0.2,
        signs=None,
        seconds=1,
        megabytes=1,
    )


def test_destroyed_and_bad():
    assert not result(0.81).bad
    assert result(0.79).destroyed
    assert result(0.95, extent=0.6).destroyed
    assert result(subject=False).bad
    assert not result(subject=False).destroyed
    assert not result(subject=None).bad


def test_the_worst_are_cut_out_of_nothing_or_lie_far_from_the_reference():
    good, flawed, nothing = result(0.98), result(0.85), result(subject=False)
    left_whole, unknown = result(0.3, reason="doubt"), result(subject=None)
    results = [good, left_whole, flawed, unknown, nothing]
    assert mattes.worst(results, 2) == [4, 2]
    assert mattes.worst(results, 9) == [4, 2, 0]


def test_the_table_of_warnings_tells_what_the_doubt_finds_beyond_nothing():
    tuning = [result(0.95), result(0.3, "doubt"), result(subject=False, reason="none")]
    apart = [result(0.95, "doubt", apart=True), result(0.2, apart=True)]
    assert [row[:6] for row in mattes.by_warning([*tuning, *apart]).rows] == [
        ("none", "tuning", "3", "1", "100%", "50%"),
        ("none", "apart", "2", "0", "–", "0%"),
        ("none or doubt", "tuning", "3", "2", "100%", "100%"),
        ("none or doubt", "apart", "2", "1", "0%", "0%"),
    ]


def test_the_tables_count_what_is_cut_out_and_what_is_warned_of():
    results = [result(0.9), result(0.5), result(0.3, "doubt"), result(0.95, "none")]
    row = mattes.by_kind(results, "").rows[0]
    assert row[:5] == ("compact", "4", "2", "0.700", "0.662")
    # One of four is delivered destroyed; one of two warnings is right, one of two bad ones found.
    assert row[8:12] == ("25%", "2", "50%", "50%")


def test_a_face_is_shown_as_far_as_the_window_reaches():
    face = (10.0, 10.0, 30.0, 30.0)
    assert framing.shown(face, Window(0, 0, 50, 50)) == 1
    assert framing.shown(face, Window(20, 0, 50, 50)) == 0.5
    assert framing.shown(face, Window(30, 30, 50, 50)) == 0
    assert framing.shown(face, Window(-40, -40, 100, 100)) == 1


def test_the_plan_names_what_it_uses_and_keeps_a_third_apart():
    made = plan.read_plan()
    known = [picture for picture in made.pictures if picture.kind != "photograph"]
    assert len(known) >= 60
    assert len({picture.seed for picture in made.pictures}) == len(made.pictures)
    share = sum(picture.apart for picture in known) / len(known)
    assert 0.28 < share < 0.36
    assert all(photo.licence and photo.author for photo in made.photos.values())


def test_a_folder_that_is_kept_for_a_later_check_is_refused(tmp_path):
    changed = tmp_path / "pictures.toml"
    text = plan.PLAN.read_text("utf-8")
    changed.write_text(text.replace('"food/fruit/kiwi"', '"plants/fern"', 1), "utf-8")
    with pytest.raises(ValueError, match="plants/fern"):
        plan.read_plan(changed)
