"""Sources are decoded in a process of their own, which ends with the attempt."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from imagerift_contract.picture_processes.client import PictureProcesses
from imagerift_vision.control import AttemptGuard, CancelFlags
from imagerift_vision.decoding import decode
from imagerift_vision.decoding_process import LIMITS, DecodingProcess
from imagerift_vision.errors import VisionError
from odd_images import READABLE, portrait, scene

from tests.support import hostile_decoder
from tests.support.hostile_decoder import running, waits_for

SHORT = replace(LIMITS, cpu_seconds=1, memory_bytes=64 * 1024 * 1024, wall_seconds=20)


@pytest.fixture(scope="module")
def hostile():
    made = DecodingProcess(SHORT, PictureProcesses("tests.support.hostile_decoder:work"))
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["jpeg", "rotated by exif", "palette with alpha"])
def test_pixels_are_the_same_as_in_this_process(decoding, guard, kind: str) -> None:
    data = READABLE[kind](portrait() if kind == "jpeg" else scene())
    there, here = decoding.decode(data, 300, guard), decode(data, 300)
    assert np.array_equal(there.rgba, here.rgba)
    assert (there.width, there.height) == (here.width, here.height)


def test_so_are_refusals(decoding, guard) -> None:
    for data in (b"no picture", READABLE["jpeg"](scene())[:900]):
        with pytest.raises(VisionError) as here:
            decode(data, 300)
        with pytest.raises(VisionError) as there:
            decoding.decode(data, 300, guard)
        assert there.value == here.value


@pytest.mark.parametrize(
    ("does", "code", "words"),
    [
        (hostile_decoder.BURN, "image_unreadable", "more time or memory"),
        (hostile_decoder.HOG, "image_unreadable", "more time or memory"),
        (hostile_decoder.CRASH, "image_unreadable", "more time or memory"),
        (hostile_decoder.RAISE + b" SECRET", "model_error", "the model failed (ZeroDivisionError)"),
    ],
)
def test_a_decoder_that_breaks_its_bounds_ends_alone(hostile, guard, does, code, words) -> None:
    with pytest.raises(VisionError) as failed:
        hostile.decode(does, 300, guard)
    assert failed.value.code == code
    assert words in failed.value.message
    assert hostile.decode(hostile_decoder.SOUND, 300, guard).rgba.shape == (1, 1, 4)


def test_a_cancel_ends_a_decoder_and_so_does_the_deadline(hostile, tmp_path: Path) -> None:
    flags = CancelFlags(tmp_path / "flags")
    flags.raise_flag("canceled/1")
    never = waits_for(tmp_path / "never")
    for attempt, code in (("canceled/1", "canceled"), ("late/1", "timeout")):
        guard = AttemptGuard.begun(flags, attempt, 0.1)
        with pytest.raises(VisionError, match=code):
            hostile.decode(never, 300, guard)
        give_up = time.monotonic() + 10
        while running() and time.monotonic() < give_up:
            time.sleep(0.01)
        assert not running()


def test_a_machine_too_busy_to_tell_says_nothing_of_the_picture(hostile, tmp_path: Path) -> None:
    guard = AttemptGuard.begun(CancelFlags(tmp_path / "flags"), "busy/1", 15)
    busy = DecodingProcess(replace(SHORT, wall_seconds=0.2), hostile.processes)
    with pytest.raises(VisionError) as failed:
        busy.decode(waits_for(tmp_path / "never"), 300, guard)
    assert failed.value.code == "model_error"
    assert failed.value.retryable


def test_what_a_decoder_leaves_behind_changes_nothing_any_more(hostile, guard, tmp_path) -> None:
    released = tmp_path / "released"
    source = hostile.decode(hostile_decoder.outlives(released), 300, guard)
    released.touch()
    give_up = time.monotonic() + 10
    while not released.with_suffix(".done").exists() and time.monotonic() < give_up:
        time.sleep(0.01)
    assert source.rgba.tolist() == [[[0, 0, 0, 0]]]


def test_a_server_of_processes_that_was_killed_is_started_anew(hostile, guard) -> None:
    hostile.decode(hostile_decoder.SOUND, 300, guard)
    server = hostile.processes._server
    server.kill()
    server.wait()
    assert hostile.decode(hostile_decoder.SOUND, 300, guard).rgba.shape == (1, 1, 4)
