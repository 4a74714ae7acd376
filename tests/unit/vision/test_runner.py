"""A job without a server: the runner gives what `generate` gives, in a size that a pod can say."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import imagerift_vision
import pytest
from generate_cases import request_for
from imagerift_vision.analysis import Analysis, Applied, Ignored, Understood
from imagerift_vision.requests import ModelVersion, Output, Result
from imagerift_vision.runner import MAX_RESULT_BYTES, result_document
from origin import Origin
from PIL import Image

CHECKOUT = Path(__file__).resolve().parents[3]
OWN = CHECKOUT / "docs" / "examples"
SITE = os.environ.get("IMAGERIFT_DIFFUSION_SITE", "")
MODULE = [sys.executable, "-m", "imagerift_vision.runner"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """A pod's variables."""
    return {
        **os.environ,
        "PYTHONPATH": str(Path(imagerift_vision.__file__).parents[1]),
        "IMAGERIFT_CONTROL_DIR": str(folder / "control"),
        "IMAGERIFT_THREADS": "2",
        **more,
    }


def start(
    folder: Path, origin: Origin, request: dict[str, Any], **more: str
) -> "subprocess.Popen[bytes]":
    (folder / "request.json").write_text(json.dumps(request))
    files = [str(folder / "request.json"), str(folder / "result.json")]
    more = {"IMAGERIFT_S3_ORIGIN": origin.url} | more
    return subprocess.Popen([*MODULE, *files], env=environment(folder, **more))


def checked(folder: Path, **more: str) -> Any:
    """What the pod says that the operator makes before it takes a GPU."""
    command = [*MODULE, "--check", str(folder / "result.json")]
    subprocess.run(command, env=environment(folder, **more), check=True, timeout=120)
    return result_of(folder)["problem"]


def pool_of(folder: Path, **members: Any) -> str:
    """A pool's file."""
    path = folder / "pool.json"
    kept = {"kind": "KIND_CPU", "threads": 2, "instances": {"generate": 1}}
    path.write_text(json.dumps(kept | members))
    return str(path)


def result_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def test_eight_outputs_are_delivered_and_fit_the_message(tmp_path: Path, origin: Origin) -> None:
    request = request_for(origin, variations=8)
    assert start(tmp_path, origin, request).wait(240) == 0
    assert (tmp_path / "result.json").stat().st_size <= MAX_RESULT_BYTES
    result = result_of(tmp_path)
    assert result["error"] is None
    assert [output["index"] for output in result["outputs"]] == list(range(8))
    for output in result["outputs"]:
        _, body = origin.outputs[str(output["index"])]
        assert output["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_pod_that_is_told_to_go_stops_and_says_so(tmp_path: Path, origin: Origin) -> None:
    process = start(tmp_path, origin, request_for(origin, variations=8))
    give_up = time.monotonic() + 120
    while not origin.outputs and time.monotonic() < give_up:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    # Not 0, by which its Job would be complete.
    assert process.wait(60) == 128 + signal.SIGTERM
    assert result_of(tmp_path)["error"]["code"] == "canceled"
    assert len(origin.outputs) < 16


@pytest.fixture
def gates(tmp_path: Path) -> Path:
    """A repository with the example's gate, which blocks the word `forbidden`."""
    repository = tmp_path / "extra"
    shutil.copytree(OWN / "gate", repository / "gate")
    lists = {"words": ["forbidden"], "pictures": []}
    (repository / "gate" / "1" / "blocked.json").write_text(json.dumps(lists))
    return repository


def test_the_gate_judges_in_a_pod_as_in_a_pool(tmp_path: Path, origin: Origin, gates: Path) -> None:
    variables = {
        "IMAGERIFT_POOL": pool_of(tmp_path, moderation="gate"),
        "IMAGERIFT_EXTRA_MODELS": str(gates),
    }
    blocked = request_for(origin, prompt="a forbidden mug", gate="gate")
    assert start(tmp_path, origin, blocked, **variables).wait(120) == 0
    assert result_of(tmp_path)["error"]["code"] == "content_filtered"
    assert origin.outputs == {}
    allowed = request_for(origin, prompt="a mug", gate="gate")
    assert start(tmp_path, origin, allowed, **variables).wait(120) == 0
    result = result_of(tmp_path)
    assert result["error"] is None and len(result["outputs"]) == 1
    assert {"name": "gate", "version": "1"} in result["models"]
    assert result["metrics"]["moderationMs"] > 0


@pytest.mark.parametrize("named", ["gate", ""])
def test_without_the_gate_that_it_must_pass_no_job_is_fetched(
    tmp_path: Path, origin: Origin, named: str
) -> None:
    request = request_for(origin, gate="gate")
    origin.requests.clear()
    assert start(tmp_path, origin, request, IMAGERIFT_MODERATION_MODEL=named).wait(120) == 0
    error = result_of(tmp_path)["error"]
    assert (error["code"], error["retryable"]) == ("model_error", False)
    assert origin.requests == []


def test_a_mode_of_one_s_own_runs_in_a_pod(tmp_path: Path, origin: Origin) -> None:
    variables = {
        "IMAGERIFT_POOL": pool_of(tmp_path, modes={"duotone": "duotone"}),
        "IMAGERIFT_EXTRA_MODELS": str(OWN),
    }
    request = request_for(origin, mode="duotone", preset="cold")
    assert start(tmp_path, origin, request, **variables).wait(120) == 0
    result = result_of(tmp_path)
    assert result["error"] is None
    assert result["models"] == [{"name": "duotone", "version": "1"}]
    assert Image.open(io.BytesIO(origin.outputs["0"][1])).size == (1024, 683)


def test_the_models_of_a_pool_are_looked_for_without_a_job(tmp_path: Path, gates: Path) -> None:
    assert checked(tmp_path) is None
    extra = {"IMAGERIFT_EXTRA_MODELS": str(gates)}
    assert checked(tmp_path, IMAGERIFT_MODERATION_MODEL="gate", **extra) is None
    missing = checked(tmp_path, IMAGERIFT_MODERATION_MODEL="other-gate", **extra)
    assert missing["reason"] == "GateMissing" and "other-gate" in missing["message"]
    modes = {"IMAGERIFT_MODE_MODELS": json.dumps({"paint": "painter"})}
    missing = checked(tmp_path, **modes)
    assert (
        missing["reason"] == "ModelMissing" and "the model painter of paint" in missing["message"]
    )
    assert checked(tmp_path, IMAGERIFT_POOL="no-such-pool")["reason"] == "SettingsWrong"


def test_weights_that_are_not_there_are_told_before_any_gpu(tmp_path: Path, origin: Origin) -> None:
    diffusion = {"weights": str(tmp_path / "weights")}
    pool = pool_of(tmp_path, modes={"style": "diffusion"}, diffusion=diffusion)
    problem = checked(tmp_path, IMAGERIFT_POOL=pool)
    assert problem["reason"] == "ModelNotReady"
    # Without PyTorch at hand that is what is missing first.
    assert ("holds no model_index.json" if SITE else "is not installed") in problem["message"]
    request = request_for(origin)
    origin.requests.clear()
    assert start(tmp_path, origin, request, IMAGERIFT_POOL=pool).wait(120) == 0
    error = result_of(tmp_path)["error"]
    assert (error["code"], error["retryable"]) == ("model_error", True)
    assert origin.requests == []


@pytest.mark.skipif(not SITE, reason="IMAGERIFT_DIFFUSION_SITE names no PyTorch")
def test_a_pod_draws_with_weights_of_a_family_behind_the_gate(
    tmp_path: Path, origin: Origin, gates: Path
) -> None:
    weights = tmp_path / "weights"
    tiny = [sys.executable, str(CHECKOUT / "triton_models/tools/tiny_diffusion.py")]
    path = {"PYTHONPATH": SITE}
    subprocess.run(
        [*tiny, str(weights), "flux-kontext"], env=os.environ | path, check=True, timeout=240
    )
    variables = {
        "IMAGERIFT_POOL": pool_of(
            tmp_path,
            moderation="gate",
            modes={"style": "diffusion"},
            diffusion={"weights": str(weights), "edge": 64, "batch": 2, "steps": 2},
        ),
        "IMAGERIFT_EXTRA_MODELS": str(gates),
    }
    assert checked(tmp_path, **variables) is None
    request = request_for(origin, variations=2, prompt="a mug", gate="gate")
    assert start(tmp_path, origin, request, **variables).wait(240) == 0
    result = result_of(tmp_path)
    assert result["error"] is None
    assert [output["index"] for output in result["outputs"]] == [0, 1]
    names = [model["name"] for model in result["models"]]
    assert {"weights", "gate"} <= set(names)
    assert any(name.startswith("diffusers ") for name in names)
    assert origin.outputs["0"][1] != origin.outputs["1"][1]


def test_a_mode_that_no_model_is_behind_is_a_clear_error(tmp_path: Path, origin: Origin) -> None:
    assert start(tmp_path, origin, request_for(origin, mode="our-own")).wait(60) == 0
    assert result_of(tmp_path)["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("count", [8])
def test_the_longest_honest_result_fits(count: int) -> None:
    outputs = [
        Output(index, 2**32 - 1, 4096, 4096, "image/jpeg", 99_999_999, "f" * 64, thumbnail=True)
        for index in range(count)
    ]
    models = [ModelVersion(f"model-with-a-name-{n}", "2026.11.22") for n in range(8)]
    document = result_document(Result(outputs=outputs, preset="golden_hour", models=models))
    assert len(document) <= MAX_RESULT_BYTES
    assert len(json.loads(document)["outputs"]) == count


def test_no_picture_is_lost_for_a_long_analysis() -> None:
    words = tuple(Ignored(f"{n:03}" * 20, "unknown") for n in range(16))
    applied = tuple(Applied("accent", "#123456", word.words) for word in words)
    told = Analysis(prompt_read=Understood("studio", "default", applied, words))
    outputs = [Output(n, n, 4096, 4096, "image/jpeg", 99_999_999, "f" * 64) for n in range(8)]
    document = result_document(Result(outputs=outputs, analysis=told))
    assert len(document) <= MAX_RESULT_BYTES
    assert len(json.loads(document)["outputs"]) == 8


def test_a_result_that_does_not_fit_is_an_error_not_half_a_document() -> None:
    models = [ModelVersion("m" * 100, "1")] * 50
    document = json.loads(result_document(Result(models=models)))
    assert document["error"]["code"] == "model_error"
