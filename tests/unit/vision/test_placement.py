"""The subject's place on the canvas."""

import numpy as np
import pytest
from imagerift_vision.scene.placement import describe, place, warp


def cut_out(rows: slice, columns: slice, height: int = 300, width: int = 400) -> np.ndarray:
    alpha = np.zeros((height, width), np.float32)
    alpha[rows, columns] = 1
    return alpha


def described(alpha: np.ndarray):
    return describe(np.ones((*alpha.shape, 3), np.float32) * 0.5, alpha)


def disc() -> np.ndarray:
    y, x = np.mgrid[:300, :400]
    return ((np.hypot(x - 200, y - 150) < 110) * 1.0).astype(np.float32)


@pytest.mark.parametrize(
    ("alpha", "grounding"),
    [
        (cut_out(slice(40, 260), slice(150, 250)), "floor"),
        (disc(), "table"),
        (cut_out(slice(60, 300), slice(120, 280)), "anchored"),
        (cut_out(slice(60, 300), slice(0, 400)), "anchored"),
    ],
)
def test_grounding_follows_the_contour(alpha: np.ndarray, grounding: str) -> None:
    assert described(alpha).grounding == grounding


@pytest.mark.parametrize("size", [(1024, 1024), (1024, 576), (576, 1024), (1024, 256)])
@pytest.mark.parametrize("alpha", [cut_out(slice(40, 260), slice(150, 250)), disc()])
def test_a_free_subject_is_never_cut(alpha: np.ndarray, size: tuple[int, int]) -> None:
    subject = described(alpha)
    _, mask = warp(subject, place(subject, *size, 0.62), *size)
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert border.max() < 0.01
    assert mask.max() > 0.99


@pytest.mark.parametrize("size", [(1024, 1024), (1024, 576), (576, 1024)])
def test_a_subject_cut_below_stays_at_the_frame(size: tuple[int, int]) -> None:
    subject = described(cut_out(slice(60, 300), slice(120, 280)))
    _, mask = warp(subject, place(subject, *size, 0.62), *size)
    assert mask[-1].max() > 0.99
    assert mask[0].max() < 0.01


def test_a_subject_cut_on_both_sides_fills_the_width() -> None:
    subject = described(cut_out(slice(60, 300), slice(0, 400)))
    _, mask = warp(subject, place(subject, 1024, 576, 0.62), 1024, 576)
    assert mask[-1].min() > 0.99
    assert mask[0].max() < 0.01
