"""What a pool says of its engine, and a workflow with named inputs."""

import json
from pathlib import Path
from typing import Any

import pytest
from engine_cases import settings
from imagerift_vision.engines.settings import EngineSettings
from imagerift_vision.engines.workflow import Workflow

from tests.support.engines.comfyui import workflow

ORIGIN = "https://sglang.gpu.svc:30000"


def written(folder: Path, document: Any) -> Path:
    path = folder / "portrait.json"
    path.write_text(json.dumps(document))
    return path


def test_recipes_are_those_of_the_diffusion_model() -> None:
    presets = {"oil": {"prompt": "in oil", "steps": 12, "model": "painter"}}
    read = settings(ORIGIN, steps=30, presets=presets, facePresets=["anime"], batch=3)
    assert (read.base.steps, read.presets["oil"].steps) == (30, 12)
    assert read.presets["oil"].model == "painter"
    assert (read.face_presets, read.batch) == ({"anime"}, 3)
    assert read.tasks[0] == "edit"


def test_the_operator_s_variables_win_over_the_pool_s_file(tmp_path: Path) -> None:
    path = written(tmp_path, workflow())
    file = {"kind": "openai-images", "origin": "http://a", "edge": 512}
    read = EngineSettings.from_environment(
        {
            "IMAGERIFT_ENGINE": json.dumps(file),
            "IMAGERIFT_ENGINE_KIND": "comfyui",
            "IMAGERIFT_ENGINE_ORIGIN": "http://comfy.gpu.svc:8188",
            "IMAGERIFT_ENGINE_WORKFLOW": str(path),
            "IMAGERIFT_ENGINE_CREDENTIAL_FILE": "/etc/imagerift/engine-credential/token",
        }
    )
    assert (read.kind, str(read.origin)) == ("comfyui", "http://comfy.gpu.svc:8188")
    assert read.credential == Path("/etc/imagerift/engine-credential/token")
    assert read.workflow is not None and read.workflow.name == "portrait"
    assert (read.base.edge, read.tasks) == (512, ("edit", "img2img"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "invoke"}, "kind must be one of openai-images, comfyui"),
        ({"kind": "comfyui"}, "comfyui needs a workflow"),
        ({"workflow": "/w.json"}, "openai-images takes none"),
        ({"origin": None}, "origin must look like"),
        ({"origin": "sglang:30000"}, "origin must look like"),
        ({"origin": "ftp://sglang"}, "origin must look like"),
        ({"origin": "https://user:pass@sglang"}, "nothing more"),
        ({"origin": "https://sglang/v1"}, "nothing more"),
        ({"origin": "https://sglang?x=1"}, "nothing more"),
        ({"batch": 0}, "batch must be"),
        ({"batch": 9}, "batch must be"),
        ({"task": "inpaint"}, "openai-images has no inpaint here: edit, generate"),
        ({"presets": {"oil": {"task": "img2img"}}}, "has no img2img"),
        ({"sizes": ["1024"]}, "is no WIDTHxHEIGHT"),
        ({"sizes": ["1024x32"]}, "is no WIDTHxHEIGHT"),
        ({"fields": {"sampler": "x"}}, "sampler is none of"),
        ({"parameters": {"image": "x"}}, "none of image, model, prompt"),
        ({"parameters": {"lora": {"path": "x"}}}, "texts, numbers and truth values"),
        ({"loras": [{"weights": "/a.safetensors"}]}, "LoRAs are the engine's own"),
        ({"controlNet": {"weights": "/edges"}}, "ControlNets are the engine's own"),
        ({"stepz": 4}, "stepz is not known"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        settings(ORIGIN, **wrong)


def test_where_the_operator_says_no_origin_a_file_s_does_not_count() -> None:
    file = {"kind": "openai-images", "origin": "http://evil", "credentialFile": "/token"}
    told = {"IMAGERIFT_ENGINE": json.dumps(file), "IMAGERIFT_ENGINE_ORIGIN": ""}
    with pytest.raises(ValueError, match="origin must look like"):
        EngineSettings.from_environment(told)
    told |= {"IMAGERIFT_ENGINE_ORIGIN": "http://a", "IMAGERIFT_ENGINE_CREDENTIAL_FILE": ""}
    assert EngineSettings.from_environment(told).credential is None


def test_a_mask_is_a_task_where_the_engine_has_a_field_for_it() -> None:
    assert "inpaint" in settings(ORIGIN, fields={"mask": "mask_image"}).tasks


def test_values_go_into_the_inputs_that_are_named_and_nowhere_else(tmp_path: Path) -> None:
    read = Workflow.read(written(tmp_path, workflow()))
    filled = read.filled({"prompt": "a mug", "seed": 7, "mask": "not in it"})
    assert filled["6"]["inputs"]["text"] == "a mug"
    assert filled["3"]["inputs"]["seed"] == 7
    before = workflow()["workflow"]
    before["6"]["inputs"]["text"], before["3"]["inputs"]["seed"] = "a mug", 7
    assert filled == before
    # Each job begins with what was exported.
    assert read.filled({})["3"]["inputs"]["seed"] == 1


def test_one_value_may_go_into_several_inputs(tmp_path: Path) -> None:
    document = workflow()
    document["inputs"]["prompt"] = ["6.text", "7.text"]
    filled = Workflow.read(written(tmp_path, document)).filled({"prompt": "x"})
    assert filled["6"]["inputs"]["text"] == filled["7"]["inputs"]["text"] == "x"


@pytest.mark.parametrize(
    ("member", "wrong", "said"),
    [
        ("workflow", {"nodes": [], "links": []}, "not in ComfyUI's API format"),
        ("inputs", {"seed": "3.seeds"}, "the workflow has no 3.seeds"),
        ("inputs", {"seed": "4.seed"}, "the workflow has no 4.seed"),
        ("inputs", {"seed": "3.seed", "sampler": "3.cfg"}, "sampler is none of"),
        ("inputs", {"prompt": "6.text"}, "inputs must name seed"),
        ("output", "8", "output names no node"),
        ("more", 1, "must be {workflow, inputs, output}"),
    ],
)
def test_a_wrong_workflow_is_told_when_the_model_loads(
    tmp_path: Path, member: str, wrong: Any, said: str
) -> None:
    path = written(tmp_path, workflow() | {member: wrong})
    with pytest.raises(ValueError, match=said):
        Workflow.read(path)
