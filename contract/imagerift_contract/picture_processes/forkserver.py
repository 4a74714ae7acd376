"""Forks a process for each picture, and ends it: `python -m ...forkserver SOCKET MODULE:FUNCTION`.

What reads pictures is imported once, here, where no picture ever is; so a new process costs
milliseconds, and nothing that one picture does to its process reaches the next one's. Whoever asked
goes away by closing the request's socket: that ends the picture's process. A process may also stay,
and is then asked by a socket of its own.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from .limits import Limits

# Each request is as long, so that a stream of them needs no marks between.
REQUEST_BYTES = 1024
# A request's own socket, the file of the picture or the socket by which it is asked for many, the
# file for the result.
REQUEST_FILES = 3
MAX_ANSWER_BYTES = 16 * 1024
# By what an answer begins: the process ended by itself; it broke a bound or crashed; the time was
# over; somebody else ended it, such as a kernel that was out of memory.
ENDED, BROKE, OVERDUE, LOST, LINE_END = b"E", b"B", b"O", b"L", b"\n"
# Where the forkserver's own output goes, which has none.
_NOWHERE, _ERRORS = 1, 2
# Behind the three that every process has; the server has a few for each picture.
_FIRST_FILE, _MOST_FILES = 3, 4096

Work = Callable[[bytes, dict[str, Any], int], dict[str, Any]]
"""Of the file's bytes, the request's arguments and the file for the result; what it gives is told
as JSON. What it raises is told by its type alone."""


@dataclass(eq=False)
class _Picture:
    """A picture's process, until it is buried."""

    pid: int
    asked_by: socket.socket
    answers: int
    """What the process tells can be read here."""
    ends_at: float
    told: bytearray = field(default_factory=bytearray)
    overdue: bool = False
    left: bool = False
    """Whether who asked has gone away."""

    def kill(self) -> None:
        """With whatever it has started. It was not waited for yet: the number is still its own."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            # It has no group of its own yet.
            os.kill(self.pid, signal.SIGKILL)

    def hear(self) -> None:
        """Takes what the process has told since."""
        with suppress(BlockingIOError):
            while len(self.told) <= MAX_ANSWER_BYTES:
                part = os.read(self.answers, MAX_ANSWER_BYTES)
                if not part:
                    return
                self.told += part


class Forkserver:
    """Serves until whoever started it goes away."""

    def __init__(self, requests: socket.socket, work: Work) -> None:
        self._requests = requests
        self._work = work
        self._running: set[_Picture] = set()
        self._deaths, woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for one in (requests, self._deaths):
            self._selector.register(one, selectors.EVENT_READ)
        for one in (self._deaths, woken):
            one.setblocking(False)
        self._woken = woken
        # Whoever broke into a process may keep its files open in another one: only the kernel says
        # for certain that it is gone.
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Returns where nobody is left to ask."""
        while True:
            for key, _ in self._selector.select(self._until_next_deadline()):
                if key.fileobj is self._requests and not self._take_request():
                    for picture in self._running:
                        picture.kill()
                    return
                if key.fileobj is self._deaths:
                    self._deaths.recv(4096)
                if isinstance(key.data, _Picture) and not key.data.left:
                    # Nothing is ever sent by who asked: it has gone away.
                    key.data.left = True
                    self._selector.unregister(key.data.asked_by)
                    key.data.kill()
            self._look_at_the_running()

    def _until_next_deadline(self) -> float | None:
        ends = [picture.ends_at for picture in self._running if not picture.overdue]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _look_at_the_running(self) -> None:
        now = time.monotonic()
        for picture in list(self._running):
            ended, status = os.waitpid(picture.pid, os.WNOHANG)
            if ended:
                self._bury(picture, os.waitstatus_to_exitcode(status))
            elif now >= picture.ends_at and not picture.overdue:
                picture.overdue = True
                picture.kill()

    def _take_request(self) -> bool:
        """False where nobody is left to ask."""
        message, files, _, _ = socket.recv_fds(self._requests, REQUEST_BYTES, REQUEST_FILES)
        if not message:
            return False
        document = json.loads(message)
        limits = Limits(**document["limits"])
        asked_by = socket.socket(fileno=files[0])
        answers, to_answer = os.pipe()
        pid = os.fork()
        if pid == 0:
            kept = {to_answer, *files[1:]}
            self._become_process_of(kept, limits, document.get("arguments"), files[1:], to_answer)
        for file in (to_answer, *files[1:]):
            os.close(file)
        os.set_blocking(answers, False)
        picture = _Picture(pid, asked_by, answers, time.monotonic() + limits.wall_seconds)
        self._running.add(picture)
        self._selector.register(asked_by, selectors.EVENT_READ, picture)
        return True

    def _become_process_of(
        self,
        kept: set[int],
        limits: Limits,
        arguments: dict[str, Any] | None,
        files: list[int],
        to_answer: int,
    ) -> NoReturn:
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _close_all_but(kept)
            # Decoders write there what they think of a file, and would fill the service's log.
            os.dup2(_NOWHERE, _ERRORS)
            _die_first()
            source, result = files
            if arguments is None:
                limits.bind_this_process()
                self._stay(socket.socket(fileno=source), result)
            else:
                data = _content(source)
                limits.bind_this_process()
                os.write(to_answer, self._told(data, arguments, result))
        finally:
            # Without a look at what was there before the fork.
            os._exit(0)

    def _stay(self, asked_by: socket.socket, result: int) -> None:
        """Answers one message after another, until nobody is left to ask."""
        while True:
            message, files, _, _ = socket.recv_fds(asked_by, REQUEST_BYTES, 1)
            if not message:
                return
            data = _content(files[0])
            os.close(files[0])
            asked_by.sendall(self._told(data, json.loads(message), result))

    def _told(self, data: bytes, arguments: dict[str, Any], result: int) -> bytes:
        return json.dumps(_tried(lambda: self._work(data, arguments, result))).encode()

    def _bury(self, picture: _Picture, code: int) -> None:
        # It told what it had to tell before it ended, and fits the pipe.
        picture.hear()
        # What it has started goes with it; while that lives, no other group has the number.
        with suppress(ProcessLookupError):
            os.killpg(picture.pid, signal.SIGKILL)
        self._running.remove(picture)
        os.close(picture.answers)
        if not picture.left:
            self._selector.unregister(picture.asked_by)
            # Who asked may go away now.
            with suppress(OSError):
                picture.asked_by.sendall(_end_of(picture, code) + LINE_END)
        picture.asked_by.close()


def _end_of(picture: _Picture, code: int) -> bytes:
    """How the process came to its end, and behind it what it told."""
    if code == 0:
        return ENDED + picture.told
    if picture.overdue:
        return OVERDUE
    return LOST if code == -signal.SIGKILL else BROKE


def _content(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _tried(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"done": work()}
    except MemoryError:
        return {"raised": "MemoryError"}
    except Exception as error:  # noqa: BLE001 - who asked is told its type
        return {"raised": type(error).__name__}


def _close_all_but(kept: set[int]) -> None:
    """Neither the requests' socket nor other pictures' files are this process's."""
    below = _FIRST_FILE
    for file in sorted(kept):
        os.closerange(below, file)
        below = file + 1
    os.closerange(below, _MOST_FILES)


def _die_first() -> None:
    """Where memory runs out, before the server and before who asked it."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def main(arguments: list[str]) -> None:
    """Imports what reads pictures, and serves."""
    handle, work = arguments
    module, _, name = work.partition(":")
    # A terminal or a stop sends them to all processes; this one goes with who started it.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)
    requests = socket.socket(fileno=int(handle))
    serve = Forkserver(requests, getattr(import_module(module), name)).serve
    # Objects that no collection touches stay shared with the processes of the pictures.
    gc.collect()
    gc.freeze()
    serve()


if __name__ == "__main__":
    main(sys.argv[1:])
