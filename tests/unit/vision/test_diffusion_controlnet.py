"""ControlNets: how they are named, what they see, and which weights take them. No PyTorch."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagerift_vision import diffusion_check
from imagerift_vision.control import Guard
from imagerift_vision.diffusion import DiffusionMode
from imagerift_vision.diffusion_check import check_diffusion
from imagerift_vision.diffusion_controlnet import ControlNet
from imagerift_vision.diffusion_modes import recipe_for
from imagerift_vision.diffusion_settings import DiffusionSettings
from test_diffusion import Plates, call


@pytest.fixture
def pool(tmp_path: Path) -> Callable[..., DiffusionSettings]:
    """Settings of weights and a ControlNet that say of which class they are, and no more."""

    def made(
        pipeline: str = "StableDiffusionPipeline", kind: str = "ControlNetModel", **members: Any
    ) -> DiffusionSettings:
        weights, net = tmp_path / "weights", tmp_path / "edges"
        for folder in (weights, net):
            folder.mkdir(exist_ok=True)
        (weights / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
        (net / "config.json").write_text(json.dumps({"_class_name": kind}))
        held = {"controlNet": {"weights": str(net)}}
        document = {"weights": str(weights), "presets": {"held": held}, "edge": 96} | members
        return DiffusionSettings.from_environment({"IMAGERIFT_DIFFUSION": json.dumps(document)})

    return made


def test_edges_are_white_on_black_and_none_are_seen_where_all_is_drawn_anew() -> None:
    picture = np.full((64, 64, 3), 30, np.uint8)
    picture[16:48, 16:48] = 220
    edges = ControlNet(Path("/edges")).sees(picture)
    assert edges.shape == picture.shape
    assert set(np.unique(edges)) == {0, 255}
    assert edges[:12].max() == edges[24:40, 24:40].max() == 0
    assert (edges[24:40, 12:20].max(axis=1) == 255).all()
    assert np.array_equal(ControlNet(Path("/tile"), "tile").sees(picture), picture)

    mask = np.zeros((64, 64), np.uint8)
    mask[:, 32:] = 255
    around = ControlNet(Path("/edges")).sees(picture, mask)
    assert around[:, 32:].max() == 0
    assert np.array_equal(around[:, :32], edges[:, :32])


def test_what_a_preset_says_is_read(pool: Callable[..., DiffusionSettings]) -> None:
    (net,) = {recipe.controlnet for recipe in pool().recipes if recipe.controlnet}
    assert (net.weights.name, net.look, net.scale) == ("edges", "canny", 1.0)
    told = {"weights": "/tile", "look": "tile", "scale": 0.4}
    assert pool(controlNet=told).base.controlnet == ControlNet(Path("/tile"), "tile", 0.4)
    # A preset is drawn without the one that is said for all where it says so.
    assert (
        pool(controlNet=told, presets={"free": {"controlNet": None}}).presets["free"].controlnet
        is None
    )


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("/edges", "a ControlNet is"),
        ({"look": "canny"}, "a ControlNet is"),
        ({"weights": "/edges", "kind": "canny"}, "a ControlNet is"),
        ({"weights": "/edges", "look": "depth"}, "look depth is none of canny, tile"),
        ({"weights": "/edges", "scale": 3}, "scale is 0 to 2"),
        ({"weights": "/edges", "scale": float("nan")}, "scale is 0 to 2"),
    ],
)
def test_what_is_wrong_with_it_is_named(
    pool: Callable[..., DiffusionSettings], said: object, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        pool(presets={"held": {"controlNet": said}})


def test_modes_take_none_and_draw_without_that_of_all(
    pool: Callable[..., DiffusionSettings], tmp_path: Path
) -> None:
    net = {"controlNet": {"weights": str(tmp_path / "edges")}}
    with pytest.raises(ValueError, match="a ControlNet is for presets, not for modes"):
        pool(modes={"scene": net})
    settings = pool(**net)
    for mode in ("scene", "generate"):
        recipe = recipe_for(mode, settings, lambda _one: ("inpaint", "generate"))
        assert recipe is not None
        assert recipe.controlnet is None


@pytest.mark.parametrize(
    ("pipeline", "kind", "members", "why"),
    [
        ("ZImagePipeline", "ControlNetModel", {}, "z-image has no ControlNet for img2img"),
        ("Flux2Pipeline", "ControlNetModel", {}, "flux2 has no ControlNet for edit"),
        ("QwenImagePipeline", "QwenImageControlNetModel", {}, "has no ControlNet for img2img"),
        ("FluxPipeline", "ControlNetModel", {}, "these weights want FluxControlNetModel"),
    ],
)
def test_what_the_weights_cannot_take_is_refused_before_they_are_loaded(
    pool: Callable[..., DiffusionSettings], pipeline: str, kind: str, members: Any, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        pool(pipeline, kind, **members).checked()


def test_what_the_weights_can_take_is_looked_at_before_a_gpu_is_taken(
    pool: Callable[..., DiffusionSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pool()
    assert settings.checked().family.name == "stable-diffusion"
    assert pool("QwenImagePipeline", "QwenImageControlNetModel", task="generate").checked()
    monkeypatch.setattr(diffusion_check, "PACKAGES", ())
    monkeypatch.setattr(diffusion_check, "check_folder", lambda _weights: None)
    with pytest.raises(FileNotFoundError, match="edges holds no safetensors"):
        check_diffusion(pool(), on_gpu=False)
    (tmp_path / "edges/config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"edges holds no config\.json"):
        settings.checked()


@pytest.mark.parametrize("task", ["img2img", "inpaint", "generate"])
def test_a_preset_with_one_is_shown_the_framed_source(
    pool: Callable[..., DiffusionSettings], guard: Guard, task: str
) -> None:
    """Also where nothing is drawn over it: its edges are all that is kept then."""
    plates = Plates()
    mode = DiffusionMode(pool(task=task), plates, threads=1)
    told = mode.run(replace(call(preset="held"), seeds=(1,)), guard)
    assert told.analysis is not None
    assert told.analysis.framing == "cropped"
    (drawing,) = plates.drawings
    assert drawing.control is not None
    assert drawing.control.shape == (drawing.height, drawing.width, 3)
    assert set(np.unique(drawing.control)) == {0, 255}
    if drawing.mask is not None:
        assert drawing.control[drawing.mask > 0].max() == 0
    mode.run(replace(call(), seeds=(1,)), guard)
    assert plates.drawings[-1].control is None
