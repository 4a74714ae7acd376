"""Several sets of weights in one pool: which are loaded, and which make room."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from imagerift_vision.diffusion_drawing import Drawing
from imagerift_vision.diffusion_settings import DiffusionSettings
from imagerift_vision.errors import VisionError
from imagerift_vision.loaded_networks import LoadedNetworks
from imagerift_vision.requests import ModelVersion

DRAWING = Drawing("generate", "a mug", 64, 64)


class Log:
    """Opens networks that draw nothing, and tells what was opened and closed."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.raises: Exception | None = None

    def open(self, settings: DiffusionSettings) -> "Named":
        if self.raises is not None:
            raise self.raises
        self.told.append(f"+{settings.weights.name}")
        return Named(settings.weights.name, self.told)


class Named:
    def __init__(self, name: str, told: list[str]) -> None:
        self.name, self.told = name, told

    def versions(self, _recipe: Any) -> tuple[ModelVersion, ...]:
        return (ModelVersion(self.name, "1"),)

    def draw(self, *_asked: Any) -> list[Any]:
        return [self.name]

    def close(self) -> None:
        self.told.append(f"-{self.name}")


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., DiffusionSettings]:
    """A pool of three: 8 GiB each but the last, which takes 12."""

    def folder(name: str, pipeline: str) -> str:
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        (path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
        return str(path)

    def made(**members: Any) -> DiffusionSettings:
        document = {
            "weights": folder("sdxl", "StableDiffusionXLPipeline"),
            "vramGiB": 8,
            "models": {
                "fill": {"weights": folder("fill", "FluxFillPipeline"), "vramGiB": 8},
                "qwen": {"weights": folder("qwen", "QwenImageEditPlusPipeline"), "vramGiB": 12},
            },
            "presets": {
                "plain": {},
                "around": {"model": "fill", "task": "inpaint"},
                "told": {"model": "qwen"},
            },
        }
        told = json.dumps(document | members)
        return DiffusionSettings.from_environment({"IMAGERIFT_DIFFUSION": told})

    return made


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        (None, "+sdxl +fill +qwen"),
        (28, "+sdxl +fill +qwen"),
        # qwen's 12 want room: of those there, fill was used the longest ago.
        (20, "+sdxl +fill -fill +qwen"),
        (12, "+sdxl -sdxl +fill -fill +sdxl -sdxl +qwen"),
    ],
)
def test_what_was_used_the_longest_ago_makes_room_in_the_budget(
    settings: Callable[..., DiffusionSettings], log: Log, guard: Any, budget: int, told: str
) -> None:
    pool = settings(**({"vramBudgetGiB": budget} if budget else {}))
    loaded = LoadedNetworks(pool, log.open)
    drawn = [
        loaded.draw(DRAWING, pool.presets[preset], [1], guard)[0]
        for preset in ("around", "plain", "told")
    ]
    assert drawn == ["fill", "sdxl", "qwen"]
    assert log.told == told.split()
    assert loaded.versions(pool.presets["told"]) == (ModelVersion("qwen", "1"),)
    assert [loaded.task_of(pool.presets[preset]) for preset in ("around", "plain", "told")] == [
        "inpaint",
        "img2img",
        "edit",
    ]


def test_weights_that_cannot_be_loaded_fail_their_presets_alone(
    settings: Callable[..., DiffusionSettings], log: Log, guard: Any
) -> None:
    pool = settings()
    loaded = LoadedNetworks(pool, log.open)
    log.raises = RuntimeError("CUDA out of memory")
    # Not `out_of_memory`: a smaller batch would only load them again.
    with pytest.raises(VisionError, match="model_error"):
        loaded.draw(DRAWING, pool.presets["told"], [1], guard)
    assert loaded.draw(DRAWING, pool.presets["plain"], [1], guard) == ["sdxl"]
    log.raises = None
    assert loaded.draw(DRAWING, pool.presets["told"], [1], guard) == ["qwen"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"presets": {"told": {"model": "qwen", "task": "inpaint"}}}, "edit-plus has no inpaint"),
        ({"presets": {"told": {"model": "other"}}}, "other is none of models"),
        ({"vramBudgetGiB": 10}, "each model wants a vramGiB"),
        ({"models": {"fill": {"weights": "/fill", "steps": 3}}}, "not steps"),
    ],
)
def test_what_could_never_be_drawn_is_refused_at_the_start(
    settings: Callable[..., DiffusionSettings], log: Log, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        LoadedNetworks(settings(**wrong), log.open)
    assert log.told == []
