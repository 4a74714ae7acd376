"""Waits until no attempt runs on this server: `python3 -m imagerift_vision.drain`.

A server that is about to go runs it before it is told to stop, because a server that is
stopping refuses the calls between its own models, and so would fail the jobs it still has.
"""

import time
from pathlib import Path

from imagerift_vision.control import RunningAttempts
from imagerift_vision.settings import Settings

# The operator may have sent a job just before it saw that the server goes.
QUIET_SECONDS = 3.0
POLL_SECONDS = 0.2


def wait_until_idle(folder: Path, quiet_seconds: float = QUIET_SECONDS) -> None:
    """Return once no attempt has run for `quiet_seconds`."""
    running = RunningAttempts(folder)
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < quiet_seconds:
        time.sleep(POLL_SECONDS)
        if running.count():
            quiet_since = time.monotonic()


if __name__ == "__main__":
    wait_until_idle(Settings.from_environment().control_dir)
