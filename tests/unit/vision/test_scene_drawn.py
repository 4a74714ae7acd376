"""Scenes whose backgrounds a real editor draws, with tiny random weights, on the CPU.

Those that are drawn around the product are in tests/e2e/test_own_pool.py. They need PyTorch:
IMAGERIFT_DIFFUSION_SITE names the packages, as it does for a pool's Triton.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from imagerift_vision.control import AttemptGuard, CancelFlags, Guard
from imagerift_vision.diffusion import DiffusionMode
from imagerift_vision.diffusion_settings import DiffusionSettings
from imagerift_vision.errors import VisionError
from imagerift_vision.loaded_networks import LoadedNetworks
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.scene_backgrounds import backgrounds_of
from imagerift_vision.scene_mode import SceneMode
from test_stops import Counted

from tests.support.products import product

SITE = os.environ.get("IMAGERIFT_DIFFUSION_SITE", "")
pytestmark = [
    pytest.mark.skipif(not SITE, reason="IMAGERIFT_DIFFUSION_SITE names no PyTorch"),
    # The libraries warn of each other.
    pytest.mark.filterwarnings("ignore"),
]
TOOLS = Path(__file__).resolve().parents[3] / "triton_models/tools"
SETTINGS = {"edge": 128, "batch": 1, "steps": 4, "strength": 0.5}


class Pool:
    """A pool's models in this process: `diffusion` alone."""

    def __init__(self, settings: DiffusionSettings, folder: Path) -> None:
        network = import_module("imagerift_vision.diffusion_network").DiffusersNetwork
        shelf = LoadedNetworks(settings, lambda one: network(one, "cpu", 1))
        self.mode = DiffusionMode(settings, shelf, threads=1)
        self.guard: Guard = AttemptGuard(CancelFlags(folder), "test", float("inf"))

    def call(self, call: ModeCall) -> ModeAnswer:
        return self.mode.run(call, self.guard)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[SceneMode, Pool]:
    """The mode with an editor's weights behind it."""
    sys.path[:] = [*sys.path, SITE, str(TOOLS)]
    weights = import_module("tiny_families").save("flux2", tmp_path_factory.mktemp("weights"))
    told = {"IMAGERIFT_DIFFUSION": json.dumps(SETTINGS | {"weights": str(weights)})}
    pool = Pool(DiffusionSettings.from_environment(told), tmp_path_factory.mktemp("flags"))
    return SceneMode(1, backgrounds_of(pool, "diffusion", told)), pool


def call(seed: int = 1, width: int = 320, height: int = 256) -> ModeCall:
    rgba = product("mug", 0)
    return ModeCall("scene", rgba, "test", 60.0, "on a quay", "studio", (seed,), width, height)


def test_the_product_stays_in_a_background_that_was_drawn_by_instruction(
    made: tuple[SceneMode, Pool], guard: Guard
) -> None:
    scene, _ = made
    first = scene.run(call(), guard)
    (proof,) = first.proofs
    assert proof is not None
    assert (proof.holds, proof.difference) == (True, 0)
    assert "diffusers Flux2Pipeline" in {model.name for model in first.models}
    assert np.array_equal(first.images, scene.run(call(), guard).images)
    assert not np.array_equal(first.images, scene.run(call(seed=2), guard).images)


def test_a_stop_among_the_network_s_steps_ends_the_scene(
    made: tuple[SceneMode, Pool], guard: Guard
) -> None:
    scene, pool = made
    running, whole = pool.guard, Counted()
    try:
        pool.guard = whole
        scene.run(call(), guard)
        assert whole.seen > 4
        pool.guard = Counted(whole.seen - 2)
        with pytest.raises(VisionError, match="timeout"):
            scene.run(call(), guard)
    finally:
        pool.guard = running
