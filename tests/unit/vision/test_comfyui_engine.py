"""The network behind `remote` and ComfyUI: a workflow run once, and nothing left of it."""

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_cases import PROMPT, drawing, network
from imagerift_vision.control import AttemptGuard, CancelFlags
from imagerift_vision.decoding_process import DecodingProcess
from imagerift_vision.diffusion_drawing import Drawing
from imagerift_vision.diffusion_settings import Recipe
from imagerift_vision.engines import comfyui
from imagerift_vision.errors import VisionError
from PIL import Image

from tests.support.engines.comfyui import ComfyUI, Failure, workflow
from tests.support.engines.images import drawn


@pytest.fixture(params=[False, True], ids=["now", "older"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ComfyUI]:
    monkeypatch.setattr(comfyui, "POLL_SECONDS", 0.01)
    with ComfyUI(old=request.param).running() as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "portrait.json"
    made.write_text(json.dumps(workflow()))
    return made


class Case:
    """One workflow on one server."""

    def __init__(self, server: ComfyUI, decoding: DecodingProcess, path: Path) -> None:
        self._server, self._decoding, self._path = server, decoding, path

    def draw(
        self,
        guard: AttemptGuard,
        asked: Drawing | None = None,
        recipe: Recipe | None = None,
        **members: Any,
    ) -> np.ndarray | VisionError:
        with network(
            self._decoding, self._server.url, kind="comfyui", workflow=str(self._path), **members
        ) as made:
            return made.draw(asked or drawing(), recipe or Recipe(), [7], guard)[0]


@pytest.fixture
def case(server: ComfyUI, decoding: DecodingProcess, path: Path) -> Case:
    return Case(server, decoding, path)


def nothing_is_left(server: ComfyUI) -> bool:
    """Whether neither prompt nor picture of ours is there any more."""
    sizes = {
        Image.open(io.BytesIO(data)).size
        for (kind, _, _), data in server.files.items()
        if kind == "temp"
    }
    kept = json.dumps([server.history, server.queued, server.running_item])
    return sizes <= {(1, 1)} and PROMPT not in kept


def failure(made: np.ndarray | VisionError) -> VisionError:
    assert isinstance(made, VisionError)
    assert "SECRET" not in str(made)
    return made


def test_a_workflow_is_filled_and_run_and_its_picture_fetched(
    server: ComfyUI, case: Case, guard: AttemptGuard
) -> None:
    asked = drawing()
    recipe = Recipe(steps=12, guidance_scale=4.5, strength=0.4, negative_prompt="noise")
    picture = case.draw(guard, asked, recipe)
    (prompt,) = server.prompts
    sampler = prompt["3"]["inputs"]
    assert [sampler[name] for name in ("seed", "steps", "cfg", "denoise")] == [7, 12, 4.5, 0.4]
    assert [prompt[node]["inputs"]["text"] for node in ("6", "7")] == [PROMPT, "noise"]
    assert prompt["5"]["inputs"] == {"width": 96, "height": 64}
    assert prompt["10"]["inputs"]["image"].startswith("imagerift/")
    sent = io.BytesIO()
    Image.fromarray(asked.picture).save(sent, "PNG")
    wanted = np.asarray(Image.open(io.BytesIO(drawn(7, (96, 64), sent.getvalue()))))
    assert np.array_equal(picture, wanted)
    assert len(server.files) == 2
    assert nothing_is_left(server)


def test_what_nobody_says_stays_as_it_was_exported(
    server: ComfyUI, case: Case, guard: AttemptGuard
) -> None:
    case.draw(guard)
    sampler = server.prompts[0]["3"]["inputs"]
    assert [sampler[name] for name in ("steps", "cfg", "denoise")] == [20, 7.0, 0.6]
    assert server.prompts[0]["7"]["inputs"]["text"] == "blurry"


def test_a_picture_that_the_workflow_keeps_is_not_ours_to_take_away(
    server: ComfyUI, case: Case, guard: AttemptGuard, path: Path
) -> None:
    path.write_text(json.dumps(workflow(output="SaveImage")))
    assert isinstance(case.draw(guard), np.ndarray)
    (kept,) = (data for (kind, _, _), data in server.files.items() if kind == "output")
    assert Image.open(io.BytesIO(kept)).size == (96, 64)
    assert nothing_is_left(server)


def canceled_once(server: ComfyUI, folder: Path) -> AttemptGuard:
    """A guard that cancels when the server has begun with something."""
    flags = CancelFlags(folder)

    def cancel() -> None:
        server.started.wait(30)
        flags.raise_flag("job/1")

    threading.Thread(target=cancel).start()
    return AttemptGuard(flags, "job/1", float("inf"))


def test_a_cancel_interrupts_what_runs_and_leaves_nothing(
    server: ComfyUI, case: Case, tmp_path: Path
) -> None:
    server.holds = True
    with pytest.raises(VisionError) as error:
        case.draw(canceled_once(server, tmp_path))
    assert error.value.code == "canceled"
    assert len(server.interrupted) == 1
    assert server.running_item is None
    assert nothing_is_left(server)


def test_a_cancel_takes_what_waits_off_the_queue_and_interrupts_nobody_else(
    server: ComfyUI, case: Case, tmp_path: Path, guard: AttemptGuard
) -> None:
    server.holds = True
    others = server.put()
    assert server.started.wait(30)
    flags = CancelFlags(tmp_path)

    def cancel() -> None:
        while not server.queued:
            threading.Event().wait(0.01)
        flags.raise_flag("job/1")

    threading.Thread(target=cancel).start()
    with pytest.raises(VisionError) as error:
        case.draw(AttemptGuard(flags, "job/1", float("inf")))
    assert error.value.code == "canceled"
    assert (server.queued, server.interrupted) == ([], [])
    assert server.running_item is not None and server.running_item[1] == others
    assert "POST /interrupt" not in server.calls
    assert nothing_is_left(server)


def test_a_workflow_that_is_refused_says_why(
    server: ComfyUI, case: Case, guard: AttemptGuard
) -> None:
    error = failure(case.draw(guard, recipe=Recipe(steps=10_001)))
    assert error.code == "invalid_request"
    assert "Value 10001 bigger than max of 10000" in error.message
    assert nothing_is_left(server)


@pytest.mark.parametrize(
    ("thrown", "told"),
    [
        (
            Failure("KSampler", "RuntimeError", "mat1 and mat2 shapes cannot be multiplied"),
            ("model_error", False, "(KSampler: mat1 and mat2 shapes cannot be multiplied)"),
        ),
        (
            Failure("CLIPTextEncode", "ValueError", f"cannot read {PROMPT}"),
            ("model_error", False, "(CLIPTextEncode)"),
        ),
        (
            Failure("KSampler", "torch.OutOfMemoryError", "Allocation on device"),
            ("out_of_memory", True, "out of memory"),
        ),
    ],
)
def test_a_workflow_that_fails_says_where(
    server: ComfyUI, case: Case, guard: AttemptGuard, thrown: Failure, told: tuple[str, bool, str]
) -> None:
    server.fails = thrown
    error = failure(case.draw(guard))
    assert (error.code, error.retryable) == told[:2]
    assert told[2] in error.message
    assert nothing_is_left(server)


def test_what_somebody_else_interrupts_is_tried_again(
    server: ComfyUI, case: Case, guard: AttemptGuard
) -> None:
    server.holds = True

    def interrupt() -> None:
        server.started.wait(30)
        server.interrupt_all()

    threading.Thread(target=interrupt).start()
    error = failure(case.draw(guard))
    assert (error.code, error.retryable) == ("model_error", True)


def test_a_server_that_was_started_again_has_lost_the_job_which_is_tried_again(
    server: ComfyUI, case: Case, guard: AttemptGuard
) -> None:
    server.holds = True

    def restart() -> None:
        server.started.wait(30)
        server.forget()

    threading.Thread(target=restart).start()
    error = failure(case.draw(guard))
    assert (error.message, error.retryable) == ("the engine has lost the job", True)


def test_a_workflow_without_a_picture_at_its_end_is_a_model_error(
    server: ComfyUI, case: Case, guard: AttemptGuard, path: Path
) -> None:
    path.write_text(json.dumps(workflow() | {"output": "6"}))
    assert "left no picture" in failure(case.draw(guard)).message
