"""Which family weights are of, by the documents in their folder; no PyTorch is needed for it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagerift_vision.diffusion_drawing import shown
from imagerift_vision.diffusion_families.catalogue import BY_CLASS, FAMILIES, weights_in


def folder(path: Path, name: str, **documents: dict[str, Any]) -> Path:
    """A folder of weights without any; `documents` are the configurations of its parts."""
    index = documents.pop("index", {})
    (path / "model_index.json").write_text(json.dumps({"_class_name": name, **index}))
    for part, document in documents.items():
        (path / part).mkdir()
        called = "scheduler_config.json" if part == "scheduler" else "config.json"
        (path / part / called).write_text(json.dumps(document))
    return path


def test_weights_of_no_known_family_are_refused_by_a_sentence_that_names_them_all(
    tmp_path: Path,
) -> None:
    with pytest.raises(FileNotFoundError, match="model_index"):
        weights_in(tmp_path)
    with pytest.raises(ValueError, match="WanPipeline") as refusal:
        weights_in(folder(tmp_path, "WanPipeline"))
    assert all(family.name in str(refusal.value) for family in FAMILIES)


@pytest.mark.parametrize("name", BY_CLASS)
def test_every_pipeline_of_a_family_names_it(tmp_path: Path, name: str) -> None:
    family = weights_in(folder(tmp_path, name)).family
    assert name in {way.pipeline for way in family.ways.values()}
    assert family.licence


@pytest.mark.parametrize(
    ("name", "documents", "steps", "guidance"),
    [
        ("StableDiffusionXLPipeline", {}, 30, 7.0),
        (
            "StableDiffusionXLPipeline",
            {"scheduler": {"timestep_spacing": "trailing"}},
            4,
            0.0,
        ),
        ("FluxPipeline", {"transformer": {"guidance_embeds": True}}, 28, 3.5),
        ("FluxPipeline", {"transformer": {"guidance_embeds": False}}, 4, 0.0),
        ("Flux2KleinPipeline", {"index": {"is_distilled": True}}, 4, 1.0),
        ("ZImagePipeline", {"scheduler": {"shift": 6.0}}, 50, 5.0),
        ("ZImagePipeline", {"scheduler": {"shift": 3.0}}, 9, 0.0),
    ],
)
def test_weights_that_need_few_steps_are_known_by_their_documents(
    tmp_path: Path, name: str, documents: dict[str, Any], steps: int, guidance: float
) -> None:
    defaults = weights_in(folder(tmp_path, name, **documents)).defaults
    assert (defaults.steps, defaults.guidance) == (steps, guidance)


def test_a_network_that_takes_masks_does_nothing_else(tmp_path: Path) -> None:
    told = folder(tmp_path, "StableDiffusionInpaintPipeline", unet={"in_channels": 9})
    assert weights_in(told).family.tasks == ("inpaint",)


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((512, 640), (512, 640)),
        ((64, 1024), (128, 1024)),
        ((1000, 41), (1000, 125)),
        ((30, 40), (64, 85)),
        ((90, 4), (480, 64)),
    ],
)
def test_flux_2_is_shown_no_picture_that_it_refuses(
    size: tuple[int, int], seen: tuple[int, int]
) -> None:
    """Its classes take pictures of 64 pixels a side and more, up to eight times as long as high."""
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    ways = {family.name: family.ways["edit"] for family in FAMILIES if "edit" in family.ways}
    for name, way in ways.items():
        given = shown(picture, way)
        assert given.shape[:2] == (seen if name.startswith("flux2") else size), name
