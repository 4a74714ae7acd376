"""The model `remote` through a real Triton, with engines that follow their published contracts."""

import io
import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generate_cases import picture, request_for
from origin import Origin
from PIL import Image
from triton_server import PRODUCT, Triton, run

from tests.support.engines.comfyui import ComfyUI, workflow
from tests.support.engines.images import ImagesEngine, Reply

TOKEN = "SECRETTOKEN-0123456789"
POOL = {
    "kind": "KIND_CPU",
    "threads": 1,
    "instances": {"control": 1, "generate": 1, "remote": 1},
}
RECIPE = {"edge": 128, "steps": 12, "presets": {"studio": {"prompt": "on white"}}}


@dataclass
class Served:
    """A Triton whose `style` an engine draws."""

    triton: Triton
    engine: Any
    log: Path


def served(stack: ExitStack, folder: Path, origin: Origin, engine: Any, **members: Any) -> Served:
    python = os.environ.get("IMAGERIFT_TEST_MODELS_PYTHON")
    if not python:
        pytest.fail("set IMAGERIFT_TEST_MODELS_PYTHON to the Python of the models' environment")
    (folder / "pool.json").write_text(json.dumps(POOL))
    variables = {
        "IMAGERIFT_MODE_MODELS": json.dumps({"style": "remote"}),
        "IMAGERIFT_ENGINE": json.dumps({"origin": engine.url} | RECIPE | members),
    }
    triton = stack.enter_context(
        run(
            Path(python),
            origin.url,
            folder,
            [PRODUCT],
            pool=str(folder / "pool.json"),
            variables=variables,
        )
    )
    return Served(triton, engine, folder / "triton.log")


@pytest.fixture(scope="module")
def images(_server: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("images")
    (folder / "credential").write_text(TOKEN)
    with ExitStack() as stack:
        engine = stack.enter_context(ImagesEngine(token=TOKEN).running())
        yield served(
            stack,
            folder,
            _server,
            engine,
            kind="openai-images",
            credentialFile=str(folder / "credential"),
        )


@pytest.fixture(scope="module")
def comfy(_server: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("comfyui")
    (folder / "portrait.json").write_text(json.dumps(workflow()))
    with ExitStack() as stack:
        engine = stack.enter_context(ComfyUI().running())
        path = str(folder / "portrait.json")
        yield served(stack, folder, _server, engine, kind="comfyui", workflow=path)


def test_sglang_or_vllm_draws_a_job(images: Served, origin: Origin) -> None:
    images.engine.asked.clear()
    result = images.triton.generate(request_for(origin, variations=2))
    assert result["error"] is None, result
    assert result["models"][0] == {"name": "openai-images", "version": "openai-images"}
    assert [call.fields["seed"] for call in images.engine.asked] == [7, 8]
    (first, _) = images.engine.asked
    assert first.fields["prompt"] == "SECRETPROMPT of a mug, on white"
    assert (first.fields["num_inference_steps"], first.fields["size"]) == (12, "128x80")
    assert Image.open(io.BytesIO(first.files["image"])).size == (128, 80)
    assert picture(origin).shape == (683, 1024, 3)
    assert not np.array_equal(picture(origin), picture(origin, "1"))


def test_an_engine_s_refusal_is_the_job_s_and_nothing_private_is_logged(
    images: Served, origin: Origin
) -> None:
    words = json.dumps({"detail": "SECRETPROMPT of a mug: no"}).encode()
    images.engine.replies = [Reply(400, words)]
    result = images.triton.generate(request_for(origin))
    assert result["error"] == {
        "code": "invalid_request",
        "message": "the engine refuses the request (400)",
        "retryable": False,
    }
    images.engine.replies = [Reply(503)]
    result = images.triton.generate(request_for(origin))
    assert (result["error"]["code"], result["error"]["retryable"]) == ("model_error", True)
    assert origin.outputs == {}
    told = images.log.read_text(errors="replace")
    assert "SECRET" not in told
    assert images.engine.url not in told


def test_a_cancel_ends_the_engine_s_call(images: Served, origin: Origin) -> None:
    images.engine.came.clear()
    images.engine.holds = True
    request = request_for(origin)

    def cancel() -> None:
        images.engine.came.wait(60)
        images.triton.cancel(request["attemptId"])

    threading.Thread(target=cancel).start()
    result = images.triton.generate(request)
    images.engine.holds = False
    assert result["error"]["code"] == "canceled"
    assert images.engine.left.wait(30)


def test_comfyui_runs_a_workflow_for_a_job_and_keeps_nothing_of_it(
    comfy: Served, origin: Origin
) -> None:
    result = comfy.triton.generate(request_for(origin))
    assert result["error"] is None, result
    name, version = comfy.engine.prompts[-1], result["models"][0]["version"]
    assert result["models"][0]["name"] == "portrait"
    assert len(version) == 12
    assert name["6"]["inputs"]["text"] == "SECRETPROMPT of a mug, on white"
    assert picture(origin).shape == (683, 1024, 3)
    assert {Image.open(io.BytesIO(data)).size for data in comfy.engine.files.values()} == {(1, 1)}
    assert comfy.engine.history == {}


def test_a_cancel_interrupts_the_workflow(comfy: Served, origin: Origin) -> None:
    comfy.engine.started.clear()
    comfy.engine.holds = True
    request = request_for(origin)

    def cancel() -> None:
        comfy.engine.started.wait(60)
        comfy.triton.cancel(request["attemptId"])

    threading.Thread(target=cancel).start()
    result = comfy.triton.generate(request)
    comfy.engine.holds = False
    assert result["error"]["code"] == "canceled"
    assert len(comfy.engine.interrupted) == 1
    assert comfy.engine.history == {}


def test_several_aspects_of_one_seed_are_refused(images: Served, origin: Origin) -> None:
    shapes = [{"aspect": "1:1"}, {"aspect": "9:16"}]
    result = images.triton.generate(request_for(origin, outputs=shapes))
    assert result["error"]["code"] == "invalid_request"
