"""Cancel flags and deadlines."""

import os
import time
from pathlib import Path

import pytest
from imagerift_vision.control import AttemptGuard, CancelFlags
from imagerift_vision.errors import VisionError


def test_a_flag_stops_its_attempt_and_no_other(tmp_path: Path) -> None:
    flags = CancelFlags(tmp_path / "flags")
    flags.raise_flag("job/../../1")
    assert flags.is_raised("job/../../1")
    assert not flags.is_raised("job/../../2")
    with pytest.raises(VisionError, match="canceled"):
        AttemptGuard(flags, "job/../../1", deadline=2.0, clock=lambda: 1.0).check()
    AttemptGuard(flags, "job/../../2", deadline=2.0, clock=lambda: 1.0).check()


def test_a_passed_deadline_is_a_timeout(tmp_path: Path) -> None:
    with pytest.raises(VisionError, match="timeout"):
        AttemptGuard(CancelFlags(tmp_path), "a", deadline=1.0, clock=lambda: 1.0).check()


def test_a_deadline_is_kept_whatever_the_wall_clock_is_set_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = AttemptGuard.begun(CancelFlags(tmp_path), "a", 60)
    for wall in (0.0, 1e12):
        monkeypatch.setattr(time, "time", lambda wall=wall: wall)
        guard.check()
        assert 50 < guard.seconds_left() <= 60


def test_only_old_flags_are_swept(tmp_path: Path) -> None:
    flags = CancelFlags(tmp_path)
    flags.raise_flag("old")
    flags.raise_flag("new")
    os.utime(flags.path_of("old"), (1, 1))
    (tmp_path / "foreign").touch()
    os.utime(tmp_path / "foreign", (1, 1))
    assert flags.sweep() == 1
    assert not flags.is_raised("old")
    assert flags.is_raised("new")
    assert (tmp_path / "foreign").exists()
