"""Triton as a child of the front, which alone can reach it."""

import asyncio
import contextlib
import ctypes
import os
import signal
import stat
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, UnixConnector, hdrs

from imagerift_front.last_words import LastWords
from imagerift_front.settings import PREFIX

_PR_SET_PDEATHSIG = 1
# A socket's path may have 107 bytes.
_LONGEST_PATH = 100
_LAST_WORDS_SECONDS = 2
# Longer than any attempt: the operator gives a call up by its own clock.
_TIMEOUT = ClientTimeout(total=3 * 3600, sock_connect=5)


class Sockets:
    """Where Triton listens, in a folder that nobody else may enter."""

    def __init__(self, port: int) -> None:
        """The sockets of the front at `port`. What an earlier Triton left there is deleted.

        Raises ValueError where the folder's path is too long, or it is somebody else's.
        """
        folder = Path(tempfile.gettempdir()) / f"imagerift-front-{os.getuid()}-{port}"
        if len(os.fsencode(folder)) > _LONGEST_PATH - len("/metrics"):
            raise ValueError(f"{folder}: too long for a socket; set TMPDIR to a shorter folder")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        state = folder.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
            raise ValueError(f"{folder} must be a folder that only this user may enter")
        self.calls, self.metrics = folder / "calls", folder / "metrics"
        for left in (self.calls, self.metrics):
            left.unlink(missing_ok=True)

    def flags(self) -> list[str]:
        """What makes tritonserver listen there and nowhere else, whatever else it was told."""
        return [
            f"--http-address=unix:{self.calls}",
            f"--metrics-address=unix:{self.metrics}",
            "--allow-http=true",
            "--allow-grpc=false",
            "--allow-sagemaker=false",
            "--allow-vertex-ai=false",
        ]


@asynccontextmanager
async def session_of(socket: Path) -> AsyncIterator[ClientSession]:
    """Calls to the server at a socket; no cookie, proxy or redirect is any of its business."""
    async with ClientSession(
        connector=UnixConnector(str(socket), limit=0),
        timeout=_TIMEOUT,
        auto_decompress=False,
        cookie_jar=DummyCookieJar(),
        skip_auto_headers={hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING},
    ) as session:
        yield session


class Triton:
    """The server's process. It dies with this one, however this one dies."""

    def __init__(self, process: asyncio.subprocess.Process, said: asyncio.StreamReader) -> None:
        self._process = process
        self._said = said
        self._asked = False

    @classmethod
    async def started(cls, command: Sequence[str]) -> "Triton":
        """Start `command`, which gets the front's environment without its settings."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        prctl = ctypes.CDLL(None).prctl
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0),
        )
        if process.stderr is None:
            raise RuntimeError("a process without a pipe that was asked for")
        return cls(process, process.stderr)

    def stop(self) -> None:
        """Ask it to end the calls that it has, and then itself."""
        self._asked = True
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    async def ended(self, termination_log: Path) -> int:
        """Its exit status as a shell tells it; never 0 where nobody has asked it to end.

        Which models it could not load is then in `termination_log`, where that file is there.
        """
        words = LastWords()
        following = asyncio.create_task(words.follow(self._said))
        code = await self._process.wait()
        # A process that it has left behind may hold the pipe open.
        await asyncio.wait([following], timeout=_LAST_WORDS_SECONDS)
        following.cancel()
        words.leave(termination_log)
        if code < 0:
            return 128 - code
        return code if code or self._asked else 1
