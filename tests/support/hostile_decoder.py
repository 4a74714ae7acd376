"""What stands in the place of a decoder, in the process of a picture, which says what it does."""

from __future__ import annotations

import itertools
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

SOUND, BURN, HOG, CRASH, RAISE = b"sound", b"burn", b"hog", b"crash", b"raise"
# It takes more than half a second of CPU.
TIRING = b"tiring"
# As the API's work tells of a picture, and as the models' does.
TOLD = {"image": {"content_type": "image/png", "width": 1, "height": 1, "sha256": ""}}
PIXELS = {"shape": [1, 1, 4], "width": 1, "height": 1}


def work(data: bytes, arguments: dict[str, Any], result: int) -> dict[str, Any]:
    """Breaks a bound or its process, or waits for a file to appear."""
    if "lengths" in arguments:
        # The API asks for several.
        lengths = arguments["lengths"]
        ends = list(itertools.accumulate(lengths))
        each = [data[end - length : end] for length, end in zip(lengths, ends, strict=True)]
        return {"told": [_of_one(one, result) and TOLD for one in each]}
    _of_one(data, result)
    # The models ask for pixels.
    os.write(result, bytes(4))
    return PIXELS


def _of_one(data: bytes, result: int) -> bool:
    if data.startswith(BURN):
        while True:
            pass
    if data.startswith(TIRING):
        begin = time.process_time()
        while time.process_time() < begin + 0.6:
            pass
    if data.startswith(HOG):
        # Reserved and never touched, so that it costs no CPU.
        bytes(1024**3)
    if data.startswith(CRASH):
        os.kill(os.getpid(), signal.SIGSEGV)
    if data.startswith(RAISE):
        raise ZeroDivisionError(data.decode())
    if data.startswith(b"wait"):
        _wait_for(data)
    if data.startswith(b"outlive") and os.fork() == 0:
        # In a session of its own, with every file still open.
        os.setsid()
        _wait_for(data)
        with suppress(OSError):
            os.pwrite(result, b"\xff\xff\xff\xff", 0)
        _path_in(data).with_suffix(".done").touch()
        os._exit(0)
    return True


def _path_in(data: bytes) -> Path:
    return Path(data.split(b"\n")[1].decode())


def _wait_for(data: bytes) -> None:
    while not _path_in(data).exists():
        time.sleep(0.05)


def outlives(path: Path) -> bytes:
    """A picture whose process leaves another one, which writes into its file once `path` is there,
    and beside it that it has tried."""
    return b"outlive\n" + str(path).encode() + b"\n"


def waits_for(path: Path) -> bytes:
    """A picture whose process ends once `path` is there."""
    return b"wait\n" + str(path).encode() + b"\n"


def running() -> list[int]:
    """The processes of the pictures that this process has asked for."""
    servers = [one for one in _children(os.getpid()) if b"forkserver" in _command(one)]
    return [process for server in servers for process in _children(server)]


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _command(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()
