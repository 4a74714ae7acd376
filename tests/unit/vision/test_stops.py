"""A cancel or a deadline ends an attempt in the stage it is at, between two strips of rows."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from imagerift_contract.cutouts import CutoutOptions
from imagerift_vision.control import Guard
from imagerift_vision.edge_colours import ROWS_AT_ONCE, freed
from imagerift_vision.errors import VisionError
from imagerift_vision.mode_call import ModeCall
from imagerift_vision.restoration import denoised, sharpened, toned
from odd_images import scene

# Rows that are seen to between two looks at the guard, at most.
MOST_ROWS = 256
HEIGHT = 4 * MOST_ROWS + 10


class Counted:
    """Lets so many looks pass, and has the deadline passed at the next one."""

    def __init__(self, looks: float = math.inf) -> None:
        self.looks = looks
        self.seen = 0

    def check(self) -> None:
        self.seen += 1
        if self.seen > self.looks:
            raise VisionError("timeout", "the job's deadline has passed")

    def seconds_left(self) -> float:
        return 1.0

    def tell(self, **_told: object) -> None:
        """Nobody asks how far it is."""

    def waited(self, _seconds: float) -> None:
        """It waits for nobody."""


PIXELS = np.random.default_rng(0).integers(0, 255, (HEIGHT, 64, 4), np.uint8)
ALPHA = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (HEIGHT, 1))
RGB = np.ascontiguousarray(PIXELS[..., :3])
STAGES: dict[str, Callable[[Guard], object]] = {
    "estimated edge colours": lambda guard: freed(PIXELS, ALPHA, guard, own=False),
    "own edge colours": lambda guard: freed(PIXELS, ALPHA, guard, own=True),
    "denoising": lambda guard: denoised(RGB, 9.0, guard),
    "tone": lambda guard: toned(RGB, guard),
    "sharpening": lambda guard: sharpened(RGB, 1.0, guard),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_looks_before_each_strip_and_ends_at_once(stage: str) -> None:
    whole = Counted()
    STAGES[stage](whole)
    assert whole.seen >= HEIGHT / MOST_ROWS
    for looks in range(whole.seen):
        stopped = Counted(looks)
        with pytest.raises(VisionError, match="timeout"):
            STAGES[stage](stopped)
        assert stopped.seen == looks + 1


@pytest.mark.parametrize("mode", ["cutout", "enhance"])
def test_a_mode_ends_at_whichever_look_says_so(loaded, mode: str) -> None:
    width, height = 160, 2 * ROWS_AT_ONCE
    rgba = np.array(scene().resize((width, height)).convert("RGBA"))
    # A matte of its own, so that no network has to be asked.
    rgba[:, :60, 3] = 0
    options = CutoutOptions(shadow="drop") if mode == "cutout" else None

    def asked(number: int) -> ModeCall:
        """Another picture each time: of the one before, a mode keeps what it has found."""
        pixels = rgba.copy()
        pixels[0, -1, 0] = number
        return ModeCall(mode, pixels, "t", 9.0, "", None, (1,), width, height, cutout=options)

    whole = Counted()
    loaded[mode].run(asked(0), whole)
    # Before the matte, before and in the edge's colours, before and in each strip of the canvas.
    assert whole.seen >= 6
    for looks in {0, whole.seen // 2, whole.seen - 1}:
        with pytest.raises(VisionError, match="timeout"):
            loaded[mode].run(asked(looks + 1), Counted(looks))
