"""Asks for pictures to be read in processes of their own."""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from . import forkserver
from .limits import Limits

# Of the environment, what an interpreter needs to start. No secret is among it.
_INHERITED = {
    *("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "TZ"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONHOME"),
}
_STOP_SECONDS = 5


@dataclass
class NotRead(Exception):
    """A picture whose process did not come to an end of its own.

    `broke`: it broke its bounds or crashed, which is the picture's doing. `late`: the machine was
    too busy to tell. `lost`: it was ended by neither.
    """

    why: Literal["broke", "late", "lost"]


@dataclass
class Raised(Exception):
    """What reads pictures raised something that it does not say it raises."""

    kind: str


_WHY: dict[bytes, Literal["broke", "late", "lost"]] = {
    forkserver.BROKE: "broke",
    forkserver.OVERDUE: "late",
    forkserver.LOST: "lost",
}


class PictureProcesses:
    """Starts a process a picture, by a forkserver that has `work` imported.

    `work` is `module:function`, see `forkserver.Work`. For use by several threads.
    """

    def __init__(self, work: str) -> None:
        self._work = work
        self._lock = Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def warm_up(self) -> None:
        """Has the forkserver begin to import; does not wait for it."""
        with self._lock:
            self._running()

    def begin(self, data: bytes, arguments: dict[str, Any], limits: Limits) -> Reading:
        """Starts a process for the picture. Whoever has begun finishes or closes it."""
        source = file_of(data)
        try:
            return self._started({"limits": asdict(limits), "arguments": arguments}, source)
        finally:
            os.close(source)

    def stay(self, limits: Limits) -> StayingProcess:
        """Starts a process that reads one picture after another, within the limits altogether.

        Whoever has started it closes it.
        """
        # Each message is one question or one answer.
        questions, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                reading = self._started({"limits": asdict(limits)}, theirs.fileno())
            except BaseException:
                questions.close()
                raise
        return StayingProcess(questions, reading)

    def _started(self, request: dict[str, Any], source: int) -> Reading:
        ours, theirs = socket.socketpair()
        result = _shared_file()
        try:
            message = json.dumps(request).encode().ljust(forkserver.REQUEST_BYTES)
            self._send(message, [theirs.fileno(), source, result])
        except BaseException as error:
            ours.close()
            os.close(result)
            if isinstance(error, OSError):
                raise NotRead("lost") from error
            raise
        finally:
            theirs.close()
        return Reading(ours, result)

    def _send(self, request: bytes, files: list[int]) -> None:
        with self._lock:
            try:
                socket.send_fds(self._running(), [request], files)
            except OSError:
                # It has just ended; nothing was lost but the server.
                self._stop()
                socket.send_fds(self._running(), [request], files)

    def close(self) -> None:
        """Ends the forkserver, and with it every process of a picture."""
        with self._lock:
            self._stop()

    def _running(self) -> socket.socket:
        if self._server is None or self._requests is None or self._server.poll() is not None:
            self._stop()
            self._requests, theirs = socket.socketpair()
            with theirs:
                self._server = _forkserver(self._work, theirs.fileno())
        return self._requests

    def _stop(self) -> None:
        if self._requests is not None:
            self._requests.close()
        if self._server is not None:
            try:
                self._server.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        self._requests = self._server = None


class Reading:
    """One picture's process, as who asked for it sees it."""

    def __init__(self, answers: socket.socket, result: int) -> None:
        self.answers = answers
        """Can be read once the process has ended."""
        self._result: int | None = result

    def finish(self) -> tuple[dict[str, Any], memoryview]:
        """Waits for the end: what the process told, and the file that it left, mapped.

        Raises `NotRead` or `Raised`.
        """
        try:
            answer = b""
            while not answer.endswith(forkserver.LINE_END):
                part = self.answers.recv(forkserver.MAX_ANSWER_BYTES)
                if not part:
                    break
                answer += part
            return _told(answer), self._mapped()
        finally:
            self.close()

    def close(self) -> None:
        """Ends the process where it still runs. May be called again."""
        self.answers.close()
        if self._result is not None:
            os.close(self._result)
            self._result = None

    def _mapped(self) -> memoryview:
        assert self._result is not None  # noqa: S101 - closed at the end alone
        if hasattr(fcntl, "F_ADD_SEALS") and hasattr(os, "memfd_create"):
            # Should a descendant of the process have outlived it, it changes nothing any more.
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
            try:
                fcntl.fcntl(self._result, fcntl.F_ADD_SEALS, seals)
            except OSError:
                raise NotRead("broke") from None
        size = os.fstat(self._result).st_size
        if not size:
            return memoryview(b"")
        return memoryview(
            mmap.mmap(self._result, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        )


class StayingProcess:
    """A process that reads one picture after another. What it tells may be about any of them."""

    def __init__(self, questions: socket.socket, reading: Reading) -> None:
        self.questions = questions
        """Can be read once it has answered, or has gone."""
        self.end = reading.answers
        """Can be read once it has gone."""
        self.began = time.monotonic()
        self._reading = reading

    def ask(self, source: int, arguments: dict[str, Any]) -> None:
        """Has it read the picture in the file, see `file_of`. Raises `NotRead`."""
        try:
            socket.send_fds(self.questions, [json.dumps(arguments).encode()], [source])
        except OSError as error:
            raise NotRead("lost") from error

    def heard(self) -> dict[str, Any] | None:
        """What it has told; None where it has not, or has closed its side.

        Raises `NotRead` or `Raised`.
        """
        try:
            answer = self.questions.recv(forkserver.MAX_ANSWER_BYTES, socket.MSG_DONTWAIT)
        except OSError:
            return None
        return _told(forkserver.ENDED + answer) if answer else None

    def why_it_ended(self) -> NotRead:
        """Waits for its end."""
        try:
            self._reading.finish()
        except NotRead as error:
            return error
        except Raised:
            pass
        return NotRead("broke")

    def close(self) -> None:
        """Ends it. May be called again."""
        self.questions.close()
        self._reading.close()


def _told(answer: bytes) -> dict[str, Any]:
    end, text = answer[:1], answer[1:]
    if end != forkserver.ENDED:
        # Without an answer the forkserver itself is gone.
        raise NotRead(_WHY.get(end, "lost"))
    try:
        told = json.loads(text)
        kind = told.get("raised")
        done = told.get("done")
    except (ValueError, AttributeError, RecursionError):
        raise NotRead("broke") from None
    if kind == "MemoryError" or not isinstance(done if kind is None else kind, dict | str):
        raise NotRead("broke")
    if kind is not None:
        raise Raised(str(kind))
    return dict(done)


def _shared_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("picture", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def file_of(data: bytes) -> int:
    """The handle of a file in memory that holds the picture. Raises `NotRead`."""
    file = _shared_file()
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(file, left) :]
    except OSError as error:
        os.close(file)
        raise NotRead("lost") from error
    return file


def _forkserver(work: str, requests: int) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in _INHERITED & os.environ.keys()}
    # Where this process finds its modules, that one does.
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    # A process that has threads cannot be forked safely.
    environment["OPENBLAS_NUM_THREADS"] = "1"
    command = [_interpreter(), "-P", "-m", forkserver.__name__, str(requests), work]
    return subprocess.Popen(
        command,
        env=environment,
        pass_fds=[requests],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def _interpreter() -> str:
    """This Python; where it is embedded in another program, the one that it belongs to."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    told = Path(sys.executable or "")
    if told.name.startswith("python") and told.is_file():
        return str(told)
    beside = Path(sys.base_prefix, "bin", name)
    return str(beside) if beside.is_file() else shutil.which(name) or "python3"
