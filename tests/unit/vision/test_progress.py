"""What attempts tell of how far they are, and what `control` reads of it."""

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generate_cases import request_for
from imagerift_contract.values import MAX_PICTURES
from imagerift_vision.control import (
    AttemptGuard,
    CancelFlags,
    Command,
    Guard,
    RunningAttempts,
    read_command,
)
from imagerift_vision.entry_model import answer
from imagerift_vision.errors import VisionError
from imagerift_vision.generate import Pipeline
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.progress import LINE_BYTES, ModelLine, read_slots, say_slots, tells
from imagerift_vision.storage import OriginClient
from origin import Origin

ATTEMPT = "job/../1"


def told(attempts: RunningAttempts) -> dict[str, Any] | None:
    return attempts.progress([ATTEMPT, "other/1"]).get(ATTEMPT)


@pytest.fixture
def attempts(tmp_path: Path) -> RunningAttempts:
    return RunningAttempts(tmp_path / "control")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the clock which nobody sets shows."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_an_entry_model_and_a_mode_s_model_tell_of_one_attempt(
    attempts: RunningAttempts, clock: list[float]
) -> None:
    with attempts.running(ATTEMPT) as entry:
        assert told(attempts) is None
        entry.tell(pictures=8)
        entry.tell(stage="fetch")
        assert told(attempts) == {"stage": "fetch", "pictures": 8}
        entry.tell(stage="model", model="diffusion", variation=4, drawn=4, finished=3)
        with closing(ModelLine(attempts.path_of(ATTEMPT))) as model:
            model.tell(first=2, together=2)
            model.tell(step=0, steps=30)
            clock[0] += 6
            model.tell(step=12, steps=30)
            assert told(attempts) == {
                "stage": "model",
                "model": "diffusion",
                "pictures": 8,
                "variation": 6,
                "drawn": 6,
                "finished": 3,
                "together": 2,
                "step": 12,
                "steps": 30,
                "stepSeconds": 0.5,
            }
            model.tell(first=4, together=1)
            found = told(attempts)
            assert found is not None
            assert (found["variation"], "step" in found) == (8, False)
        entry.tell(stage="upload")
        found = told(attempts)
        assert found is not None
        assert (found["stage"], found["variation"], "together" in found) == ("upload", 4, False)
        assert attempts.progress(["other/1"]) == {}
    assert told(attempts) is None


def test_at_another_stage_nothing_is_left_of_the_mode_s_model(attempts: RunningAttempts) -> None:
    with attempts.running(ATTEMPT) as entry:
        entry.tell(stage="model", variation=0, drawn=0)
        with closing(ModelLine(attempts.path_of(ATTEMPT))) as model:
            model.tell(step=3, steps=4)
        entry.tell(stage="encode")
        entry.tell(stage="model", drawn=1)
        found = told(attempts)
        assert found is not None
        assert (found["drawn"], "step" in found) == (1, False)


def test_an_attempt_waits_for_a_model_that_tells_when_it_begins(
    attempts: RunningAttempts,
) -> None:
    tells(attempts.folder, "style")
    with attempts.running(ATTEMPT) as entry:
        for model, stage in (("style", "waiting"), ("somebody's own", "model")):
            entry.tell(stage="model", model=model)
            found = told(attempts)
            assert found is not None
            assert found["stage"] == stage
        entry.tell(stage="model", model="style")
        with closing(ModelLine(attempts.path_of(ATTEMPT))) as line:
            line.tell(first=0)
            for changed in (None, "waiting", "model"):
                if changed is not None:
                    line.tell(stage=changed)
                found = told(attempts)
                assert found is not None
                assert found["stage"] == (changed or "model")


def test_the_longest_that_is_told_fits_and_a_model_shows_nothing_itself(
    attempts: RunningAttempts,
) -> None:
    with attempts.running(ATTEMPT) as entry:
        every = (1 << MAX_PICTURES) - 1
        entry.tell(stage="model", model="m" * 64, variation=7, pictures=MAX_PICTURES)
        entry.tell(drawn=MAX_PICTURES, finished=MAX_PICTURES, shown=every)
        with closing(ModelLine(attempts.path_of(ATTEMPT))) as model:
            model.tell(step=900, steps=999, shown=0)
        found = told(attempts)
        assert found is not None
        assert found["shown"] == list(range(MAX_PICTURES))


def test_a_line_that_is_being_written_tells_nothing(attempts: RunningAttempts) -> None:
    with attempts.running(ATTEMPT) as entry:
        entry.tell(stage="model", variation=0, drawn=0)
        path = attempts.path_of(ATTEMPT)
        whole = path.read_bytes()
        path.write_bytes(whole[:LINE_BYTES] + b'{"step": 3, "ste')
        assert told(attempts) == {"stage": "model", "variation": 0, "drawn": 0}
        path.write_bytes(whole[:30])
        assert told(attempts) is None


def test_a_model_of_an_attempt_that_is_over_writes_nowhere(attempts: RunningAttempts) -> None:
    with closing(ModelLine(attempts.path_of(ATTEMPT))) as model:
        model.tell(first=0)
    assert told(attempts) is None


def test_a_command_may_cancel_ask_or_be_none() -> None:
    assert read_command(b'{"cancel": "a/1"}') == Command("a/1", None)
    assert read_command(b'{"progress": []}') == Command(None, ())
    assert read_command(b'{"cancel": null, "progress": ["a/1", 5]}') == Command(None, ("a/1",))
    for none in (b"", b"[]", b'{"cancel": ""}', b'{"progress": "a/1"}'):
        assert read_command(none) == Command()


def test_an_entry_model_says_how_many_calls_it_takes(tmp_path: Path) -> None:
    assert read_slots(tmp_path) == {}
    config = {"instance_group": [{"count": 3}, {"count": 1}]}
    for model in ("generate", "generate", "own"):
        say_slots(tmp_path / "control", model, json.dumps(config))
    assert read_slots(tmp_path / "control") == {"generate": 4, "own": 4}


class Looking:
    """A mode's model that looks, each time it is asked, at what its attempt tells."""

    def __init__(self, attempts: RunningAttempts, waited: float = 0.0) -> None:
        self.attempts = attempts
        self.waited = waited
        self.seen: list[dict[str, Any]] = []
        self.spare: list[float] = []
        # Which call from now on fails, and how.
        self.fails_at = 0
        self.error: VisionError | None = None

    def call(self, call: ModeCall) -> ModeAnswer:
        self.fails_at -= 1
        if self.fails_at == 0:
            return ModeAnswer(np.zeros((0, 1, 1, 3), np.uint8), None, (), error=self.error)
        self.seen += self.attempts.progress([call.attempt_id]).values()
        self.spare.append(call.spare)
        images = np.zeros((len(call.seeds), call.height, call.width, 3), np.uint8)
        images += np.arange(call.width, dtype=np.uint8)[:, None]
        return ModeAnswer(images, None, (), waited=self.waited)


@pytest.fixture
def looked(origin: Origin, tmp_path: Path):
    """Runs a request, and tells what was seen of it at each call of the mode's model."""
    looking = Looking(RunningAttempts(tmp_path))
    pipeline = Pipeline(OriginClient(origin.url), looking, {"style": "looking", "avatar": "drawn"})
    pipeline.at_once = {"drawn": 2}

    def run(**changes: Any) -> tuple[Looking, Any]:
        request = json.dumps(request_for(origin, **changes))
        return looking, answer(request, CancelFlags(tmp_path), pipeline.run)

    yield run
    pipeline.close()


def test_the_pipeline_tells_what_is_drawn_and_delivered_before_each_call(looked) -> None:
    shapes = [{"aspect": "1:1"}, {"aspect": "1:1", "size": "2k"}]
    looking, result = looked(variations=3, outputs=shapes)
    assert result.error is None
    keys = ("stage", "model", "pictures", "variation", "drawn", "finished")
    assert [tuple(seen.get(key) for key in keys) for seen in looking.seen] == [
        ("model", "looking", 6, 0, 0, None),
        ("model", "looking", 6, 0, 3, 3),
        ("model", "looking", 6, 2, 5, 5),
    ]
    assert looking.attempts.count() == 0


def with_thumbnails(origin: Origin, pictures: int, *, but: int = -1) -> list[dict[str, Any]]:
    """Targets of which all have a thumbnail's URL, but one."""
    return [
        {
            "index": index,
            "url": f"{origin.url}/outputs/{index}",
            "contentType": "image/png",
            "thumbnailUrl": None if index == but else f"{origin.url}/thumbnails/{index}",
        }
        for index in range(pictures)
    ]


def test_a_model_that_draws_long_is_asked_for_few_and_the_first_are_shown_before_the_last(
    looked, origin: Origin
) -> None:
    targets = with_thumbnails(origin, 5, but=1)
    looking, result = looked(mode="avatar", variations=5, targets=targets)
    assert result.error is None
    assert [output.index for output in result.outputs] == [0, 1, 2, 3, 4]
    assert [seen.get("shown", []) for seen in looking.seen] == [[], [0], [0, 2, 3]]
    assert [seen.get("finished", 0) for seen in looking.seen] == [0, 2, 4]


@pytest.mark.parametrize(("code", "fails"), [("out_of_memory", False), ("canceled", True)])
def test_what_is_delivered_stays_where_a_later_call_fails_but_not_where_the_job_ends(
    looked, origin: Origin, code: Any, *, fails: bool
) -> None:
    looking, _ = looked(mode="avatar", targets=with_thumbnails(origin, 1))
    looking.fails_at, looking.error = 2, VisionError(code, "no more")
    _, result = looked(mode="avatar", variations=3, targets=with_thumbnails(origin, 3))
    if fails:
        assert result.error is not None and result.error.code == code
        assert result.outputs == []
    else:
        assert result.error is None
        assert [output.index for output in result.outputs] == [0, 1]
        assert result.omitted == [(2, code)]


def test_a_first_call_that_fails_fails_the_job(looked, origin: Origin) -> None:
    looking, _ = looked(mode="avatar", targets=with_thumbnails(origin, 1))
    looking.fails_at, looking.error = 1, VisionError("model_error", "nothing")
    _, result = looked(mode="avatar", variations=3, targets=with_thumbnails(origin, 3))
    assert result.error is not None and result.error.code == "model_error"


def test_what_a_call_waited_for_its_model_is_no_time_of_the_attempt(looked) -> None:
    looking, _ = looked(waitSeconds=100)
    looking.waited = 30.0
    looking, result = looked(waitSeconds=100, variations=2, exportSize="4k")
    assert result.error is None
    assert looking.spare == [100, 100, 70]
    assert result.metrics.waitMs == pytest.approx(60_000)
    assert "waitMs" in json.loads(result.to_json())["metrics"]


def test_waiting_moves_the_deadline_as_far_as_the_attempt_may_wait(tmp_path: Path) -> None:
    guard = AttemptGuard(CancelFlags(tmp_path), "a", 10.0, clock=lambda: 4.0, spare=5.0)
    for waited, left, waits in ((3.0, 9.0, 3.0), (-1.0, 9.0, 3.0), (4.0, 11.0, 5.0)):
        guard.waited(waited)
        assert (guard.seconds_left(), guard.waits) == (left, waits)


def test_modes_tell_which_variation_they_are_at(loaded, guard: Guard, tmp_path: Path) -> None:
    class Heard:
        def __init__(self) -> None:
            self.told: list[dict[str, Any]] = []

        def tell(self, **told: Any) -> None:
            self.told.append(told)

    heard = Heard()
    guard.teller = heard
    pixels = np.random.default_rng(0).integers(0, 255, (96, 96, 4), np.uint8)
    pixels[..., 3] = 0
    pixels[24:72, 24:72, 3] = 255
    call = ModeCall("style", pixels, "t", 60.0, "", "studio", (1, 2), 96, 96)
    loaded["style"].run(call, guard)
    assert heard.told == [{"first": 0, "together": 1}, {"first": 1, "together": 1}]
