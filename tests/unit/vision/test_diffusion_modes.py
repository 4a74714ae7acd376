"""Which modes a pool's weights can draw, and with what."""

import json
from pathlib import Path
from typing import Any

import pytest
from imagerift_vision.diffusion_modes import MODE_TASKS, SCENE_STRENGTH, recipe_for, served
from imagerift_vision.diffusion_settings import DiffusionSettings
from imagerift_vision.scene_backgrounds import backgrounds_of

CLASSES = {
    "fill": "FluxFillPipeline",
    "flux2": "Flux2Pipeline",
    "plus": "QwenImageEditPlusPipeline",
    "sdxl": "StableDiffusionXLPipeline",
}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Folders that say of which family they are, and no more."""
    for name, pipeline in CLASSES.items():
        (tmp_path / name).mkdir()
        index = json.dumps({"_class_name": pipeline})
        (tmp_path / name / "model_index.json").write_text(index)
    return tmp_path


def settings(weights: Path, name: str, **members: Any) -> DiffusionSettings:
    document = {"weights": str(weights / name)} | members
    return DiffusionSettings.from_environment({"IMAGERIFT_DIFFUSION": json.dumps(document)})


def tasks_of(pool: DiffusionSettings) -> dict[str, str]:
    return {mode: how.task for mode, how in served(pool).items()}


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("sdxl", {"scene": "inpaint", "generate": "generate"}),
        ("fill", {"scene": "inpaint"}),
        ("flux2", {"scene": "edit", "edit": "edit", "generate": "generate"}),
        ("plus", {"scene": "edit", "edit": "edit"}),
    ],
)
def test_the_weights_say_which_modes_they_draw(
    weights: Path, name: str, tasks: dict[str, str]
) -> None:
    assert tasks_of(settings(weights, name)) == tasks
    assert set(tasks) <= set(MODE_TASKS)


def test_a_pool_s_further_weights_do_what_its_first_cannot(weights: Path) -> None:
    models = {"plus": {"weights": str(weights / "plus")}}
    pool = settings(weights, "fill", models=models, strength=0.4, edge=512)
    assert tasks_of(pool) == {"scene": "inpaint", "edit": "edit"}
    tasks = {name: pool.of(name).checked().family.tasks for name in (None, "plus")}
    edit = recipe_for("edit", pool, lambda one: tasks[one.model])
    assert edit is not None
    assert (edit.model, edit.task, edit.strength, edit.edge) == ("plus", "edit", None, 512)
    scene = recipe_for("scene", pool, lambda one: tasks[one.model])
    assert scene is not None
    # Not the strength of what is drawn over: the set is nearly all new.
    assert (scene.model, scene.task, scene.strength) == (None, "inpaint", SCENE_STRENGTH)


def test_the_pool_s_file_says_what_a_mode_is_drawn_with(weights: Path) -> None:
    models = {"fill": {"weights": str(weights / "fill")}}
    scene = {"model": "fill", "steps": 12, "strength": 1.0, "task": "inpaint"}
    pool = settings(weights, "plus", models=models, modes={"scene": scene})
    assert tasks_of(pool) == {"scene": "inpaint", "edit": "edit"}
    assert pool.of("fill").modes["scene"].steps == 12
    assert pool.of(None).modes == {}
    with pytest.raises(ValueError, match="absent"):
        settings(weights, "plus", modes={"scene": {"model": "absent"}})
    with pytest.raises(ValueError, match="inpaint"):
        served(settings(weights, "plus", modes={"scene": {"task": "inpaint"}}))


def test_weights_that_draw_no_background_leave_the_studio_s(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nobody:
        def call(self, _call: Any) -> Any:
            raise AssertionError

    told = {"IMAGERIFT_DIFFUSION": json.dumps({"weights": str(weights / "plus")})}
    found = backgrounds_of(Nobody(), "diffusion", told)
    assert found is not None
    assert found.task == "edit"
    monkeypatch.setattr("imagerift_vision.scene_backgrounds.served", lambda _settings: {})
    assert backgrounds_of(Nobody(), "diffusion", told) is None
