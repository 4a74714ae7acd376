"""The network behind `remote` and an engine that speaks OpenAI's images API."""

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_cases import PROMPT, TOKEN, drawing, network
from imagerift_vision.control import AttemptGuard, CancelFlags
from imagerift_vision.decoding_process import DecodingProcess
from imagerift_vision.diffusion_settings import Recipe
from imagerift_vision.engines import client
from imagerift_vision.engines.openai_images import nearest_size
from imagerift_vision.errors import VisionError
from imagerift_vision.requests import ModelVersion
from PIL import Image

from tests.support.engines.images import ImagesEngine, Reply, drawn
from tests.support.pictures import huge_png


@pytest.fixture
def engine() -> Iterator[ImagesEngine]:
    with ImagesEngine().running() as running:
        yield running


def one(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard, **members: Any
) -> np.ndarray | VisionError:
    with network(decoding, engine.url, **members) as made:
        return made.draw(drawing(), Recipe(), [7], guard)[0]


def failure(made: np.ndarray | VisionError) -> VisionError:
    assert isinstance(made, VisionError)
    assert "SECRET" not in str(made)
    assert "http" not in str(made)
    return made


def test_picture_prompt_and_parameters_arrive_and_each_seed_is_a_call(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard
) -> None:
    recipe = Recipe(steps=12, guidance_scale=4.5, negative_prompt="blurry")
    asked = drawing()
    with network(decoding, engine.url, model="Qwen/Edit", batch=2) as made:
        pictures = made.draw(asked, recipe, [7, 8], guard)
        assert made.versions(recipe) == (ModelVersion("Qwen/Edit", "openai-images"),)
        assert made.task_of(recipe) == "edit"
    calls = sorted(engine.asked, key=lambda call: call.fields["seed"])
    assert [call.path for call in calls] == ["/v1/images/edits"] * 2
    assert calls[0].fields == {
        "model": "Qwen/Edit", "prompt": PROMPT, "n": 1, "size": "96x64", "seed": 7,
        "response_format": "b64_json", "output_format": "png", "num_inference_steps": 12,
        "guidance_scale": 4.5, "negative_prompt": "blurry",
    }  # fmt: skip
    sent = np.asarray(Image.open(io.BytesIO(calls[0].files["image"])))
    assert np.array_equal(sent, asked.picture)
    assert "Authorization" not in calls[0].headers
    for seed, picture in zip((7, 8), pictures, strict=True):
        wanted = Image.open(io.BytesIO(drawn(seed, (96, 64), calls[0].files["image"])))
        assert np.array_equal(picture, np.asarray(wanted))


def test_without_a_source_it_is_asked_to_generate(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard
) -> None:
    with network(decoding, engine.url, task="generate") as made:
        picture = made.draw(drawing("generate"), Recipe(), [3], guard)[0]
    (call,) = engine.asked
    assert (call.path, call.files) == ("/v1/images/generations", {})
    assert (call.fields["prompt"], call.fields["seed"]) == (PROMPT, 3)
    assert "model" not in call.fields
    assert picture.shape == (64, 96, 3)


def test_fields_have_the_engine_s_own_names_and_further_ones_go_along(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard
) -> None:
    fields = {"guidanceScale": "true_cfg_scale", "responseFormat": None, "strength": "strength"}
    parameters = {"quality": "high", "enable_teacache": True}
    with network(decoding, engine.url, fields=fields, parameters=parameters) as made:
        made.draw(drawing(), Recipe(guidance_scale=4.0, strength=0.5), [1], guard)
    (call,) = engine.asked
    assert call.fields["true_cfg_scale"] == 4.0
    assert (call.fields["strength"], call.fields["quality"]) == ("0.5", "high")
    assert call.fields["enable_teacache"] == "true"
    assert not {"guidance_scale", "response_format"} & set(call.fields)


def test_a_mask_says_where_to_draw_by_its_white_and_by_its_alpha_and_the_rest_stays(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard
) -> None:
    mask = np.full((64, 96), 255, np.uint8)
    mask[16:48, 32:64] = 0
    asked = drawing("inpaint", mask=mask)
    with network(decoding, engine.url, fields={"mask": "mask"}) as made:
        picture = made.draw(asked, Recipe(task="inpaint"), [5], guard)[0]
    sent = np.asarray(Image.open(io.BytesIO(engine.asked[0].files["mask"])))
    assert np.array_equal(sent[..., 0], mask)
    assert np.array_equal(sent[..., 3], 255 - mask)
    assert np.array_equal(picture[16:48, 32:64], asked.picture[16:48, 32:64])
    assert not np.array_equal(picture[:16], asked.picture[:16])


def test_an_engine_of_few_sizes_is_asked_for_the_nearest_and_its_picture_is_cut(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard
) -> None:
    sizes = ["128x128", "192x128", "128x192"]
    asked = drawing("generate", (160, 128))
    with network(decoding, engine.url, sizes=sizes, task="generate") as made:
        picture = made.draw(asked, Recipe(), [1], guard)[0]
    assert engine.asked[0].fields["size"] == "192x128"
    whole = np.asarray(Image.open(io.BytesIO(drawn(1, (192, 128)))))
    assert np.array_equal(picture, whole[:, 16:176])
    assert nearest_size((), 160, 128) == (160, 128)


def test_what_the_engine_has_enlarged_is_not_made_smaller(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard
) -> None:
    engine.file = drawn(1, (384, 256))
    assert one(engine, decoding, guard).shape == (256, 384, 3)


def flat() -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (96, 64), (9, 9, 9)).save(target, "PNG")
    return target.getvalue()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (flat(), "one flat colour"),
        (b"no picture", "cannot be read"),
        (huge_png(), "cannot be read"),
        (drawn(1, (96, 64))[:-200], "cannot be read"),
    ],
    ids=["flat", "text", "bomb", "cut off"],
)
def test_a_picture_that_is_none_is_a_model_error(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard, file: bytes, said: str
) -> None:
    engine.file = file
    error = failure(one(engine, decoding, guard))
    assert (error.code, error.retryable) == ("model_error", False)
    assert said in error.message


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [{"url": "http://127.0.0.1:9/picture.png", "b64_json": None}]},
        {"data": []},
        {"data": [{"b64_json": "not base64!"}]},
        ["data"],
        None,
    ],
)
def test_an_answer_without_a_picture_is_a_model_error_and_no_address_in_it_is_called(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard, answer: Any
) -> None:
    text = json.dumps(answer).replace("http://127.0.0.1:9", engine.url)
    engine.replies = [Reply(200, text.encode())]
    error = failure(one(engine, decoding, guard))
    assert (error.code, error.message) == ("model_error", "the engine answered without a picture")
    assert len(engine.asked) == 1


def test_an_answer_that_is_too_long_is_not_read_to_its_end(
    engine: ImagesEngine,
    decoding: DecodingProcess,
    guard: AttemptGuard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("imagerift_vision.engines.openai_images.MOST_ANSWER_BYTES", 2**20)
    engine.replies = [Reply(200, b" " * (2**20 + 1))]
    error = failure(one(engine, decoding, guard))
    assert (error.code, error.message) == ("model_error", "the engine's answer is over 1 MiB")


def test_an_answer_that_is_packed_is_not_unpacked(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard
) -> None:
    engine.replies = [Reply(200, b"x", {"Content-Encoding": "gzip"})]
    assert "encoded" in failure(one(engine, decoding, guard)).message


def test_a_redirect_takes_neither_picture_nor_credential_anywhere(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with ImagesEngine().running() as other:
        engine.replies = [Reply(307, headers={"Location": f"{other.url}/v1/images/edits"})]
        error = failure(one(engine, decoding, guard, credentialFile=str(tmp_path / "token")))
        assert other.asked == []
    assert (error.code, error.retryable) == ("model_error", False)


def test_the_credential_is_in_the_header_alone_and_read_again_when_it_changes(
    engine: ImagesEngine,
    decoding: DecodingProcess,
    guard: AttemptGuard,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    engine.token = TOKEN
    file = tmp_path / "token"
    file.write_text("wrong\n")
    error = failure(one(engine, decoding, guard, credentialFile=str(file)))
    assert "refuses the pool's credential (401)" in error.message
    file.write_text(f"{TOKEN}\n")
    assert isinstance(one(engine, decoding, guard, credentialFile=str(file)), np.ndarray)
    (call,) = engine.asked
    assert call.headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in repr((call.fields, call.files, caplog.text))
    file.write_text("two words")
    assert (
        "cannot be read" in failure(one(engine, decoding, guard, credentialFile=str(file))).message
    )


def test_a_refusal_tells_the_engine_s_words_without_the_prompt(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard
) -> None:
    with network(decoding, engine.url) as made:
        error = failure(made.draw(drawing(), Recipe(guidance_scale=30), [7], guard)[0])
    assert error.code == "invalid_request"
    assert "body.guidance_scale: Input should be less than or equal to 20" in error.message
    engine.replies = [Reply(400, json.dumps({"detail": f"no: {PROMPT}"}).encode())]
    assert failure(one(engine, decoding, guard)).message == "the engine refuses the request (400)"


def test_a_busy_engine_is_asked_again_after_the_time_that_it_names(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard
) -> None:
    engine.replies = [Reply(429, headers={"Retry-After": "0"})] * 2
    assert isinstance(one(engine, decoding, guard), np.ndarray)
    assert len(engine.asked) == 3
    # A third time, or a time that is too long, or none: the job is tried again.
    for replies in (
        [Reply(503, headers={"Retry-After": "0"})] * 3,
        [Reply(503, headers={"Retry-After": "3600"})],
        [Reply(503)],
    ):
        engine.replies = [*replies]
        error = failure(one(engine, decoding, guard))
        assert (error.code, error.retryable, engine.replies) == ("model_error", True, [])


def test_an_engine_that_is_not_there_is_tried_again(
    decoding: DecodingProcess, guard: AttemptGuard
) -> None:
    with ImagesEngine().running() as gone:
        pass
    error = failure(one(gone, decoding, guard))
    assert (error.code, error.retryable) == ("model_error", True)


def test_one_picture_that_fails_takes_no_other_with_it(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard
) -> None:
    engine.replies = [Reply(500)]
    with network(decoding, engine.url, batch=2) as made:
        pictures = made.draw(drawing(), Recipe(), [7, 8], guard)
    assert sorted(isinstance(picture, VisionError) for picture in pictures) == [False, True]


def test_a_cancel_ends_the_call(
    engine: ImagesEngine, decoding: DecodingProcess, tmp_path: Path
) -> None:
    engine.holds = True
    flags = CancelFlags(tmp_path)

    def cancel() -> None:
        engine.came.wait(30)
        flags.raise_flag("job/1")

    threading.Thread(target=cancel).start()
    guard = AttemptGuard(flags, "job/1", float("inf"))
    with pytest.raises(VisionError) as error:
        one(engine, decoding, guard)
    assert error.value.code == "canceled"
    assert engine.left.wait(30)


def test_the_deadline_ends_the_call(
    engine: ImagesEngine, decoding: DecodingProcess, guard: AttemptGuard
) -> None:
    engine.holds = True
    # Time passes once the engine has been asked.
    late = replace(guard, deadline=1.0, clock=lambda: 2.0 if engine.came.is_set() else 0.0)
    with pytest.raises(VisionError) as error:
        one(engine, decoding, late)
    assert error.value.code == "timeout"
    assert engine.left.wait(30)


def test_what_is_waited_for_is_bounded_by_the_client_s_own_figures() -> None:
    assert client.LOOK_SECONDS <= 0.05
    assert client.LONGEST_PAUSE <= 30
