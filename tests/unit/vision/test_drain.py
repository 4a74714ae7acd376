"""A server that goes waits for the attempts that it still has."""

import subprocess
import sys
import threading
from pathlib import Path

import imagerift_vision
from imagerift_vision.control import RunningAttempts
from imagerift_vision.drain import wait_until_idle


def test_an_attempt_counts_while_it_runs(tmp_path: Path) -> None:
    attempts = RunningAttempts(tmp_path / "control")
    assert attempts.count() == 0
    with attempts.running("job/1"), attempts.running("job/2"):
        assert attempts.count() == 2
    assert attempts.count() == 0


def test_an_attempt_of_a_dead_process_is_not_waited_for(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from imagerift_vision.control import RunningAttempts\n"
        "with RunningAttempts(Path(sys.argv[1])).running('job/1'): os.abort()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={"PYTHONPATH": str(Path(imagerift_vision.__file__).parents[1])},
        check=False,
    )
    assert ended.returncode < 0
    assert [path.suffix for path in tmp_path.iterdir()] == [".running"]
    assert RunningAttempts(tmp_path).count() == 0


def test_draining_ends_when_the_last_attempt_has_ended(tmp_path: Path) -> None:
    attempts = RunningAttempts(tmp_path)
    idle = threading.Event()

    def drain() -> None:
        wait_until_idle(tmp_path, quiet_seconds=0.3)
        idle.set()

    with attempts.running("job/1"):
        waiting = threading.Thread(target=drain)
        waiting.start()
        assert not idle.wait(1.0)
    assert idle.wait(10)
    waiting.join()
