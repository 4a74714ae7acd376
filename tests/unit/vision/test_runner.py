"""A job without a server: the runner gives what `generate` gives, in a size that a pod can say."""

import hashlib
import json
import os
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


def start(folder: Path, origin: Origin, request: dict[str, Any]) -> "subprocess.Popen[bytes]":
    (folder / "request.json").write_text(json.dumps(request))
    environment = {
        "PYTHONPATH": str(Path(imagerift_vision.__file__).parents[1]),
        "IMAGERIFT_S3_ORIGIN": origin.url,
        "IMAGERIFT_CONTROL_DIR": str(folder / "control"),
        "IMAGERIFT_THREADS": "2",
    }
    files = [str(folder / "request.json"), str(folder / "result.json")]
    command = [sys.executable, "-m", "imagerift_vision.runner", *files]
    return subprocess.Popen(command, env=os.environ | environment)


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
    assert process.wait(60) == 0
    assert result_of(tmp_path)["error"]["code"] == "canceled"
    assert len(origin.outputs) < 16


def test_a_mode_that_only_a_server_has_is_a_clear_error(tmp_path: Path, origin: Origin) -> None:
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
