"""Starting, watching, restarting and stopping the parts."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from imagerift_local.errors import PlatformError, SetUpError
from imagerift_local.parts import guarded
from imagerift_local.probes import Probe
from imagerift_local.provision.commands import tail_of

Step = Callable[[], Awaitable[None]]
T = TypeVar("T")

PROBE_INTERVAL = 0.1
SET_UP_INTERVAL = 0.5
STOP_GRACE = 10.0
PR_SET_CHILD_SUBREAPER = 36
LOG_LIMIT = 20 * 1024 * 1024
SIGNALS = {number.value: number.name for number in signal.Signals}


class State(StrEnum):
    """What a part is doing."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    EXTERNAL = "external"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Part:
    """One server of the platform.

    `command` None: the server exists already and is only probed. `before_start` runs before each
    start, `after_ready` whenever the part answers and before others may use it, `after_stop` when
    its processes are gone; all can run again without harm. `after` names the parts that must be
    ready first and are stopped later; `stop_before` names more parts that are stopped later.
    `stop_grace` is the time in seconds from SIGTERM to SIGKILL.
    """

    name: str
    address: str
    ready: Probe
    command: Sequence[str] | None = None
    after: tuple[str, ...] = ()
    stop_before: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    log: Path | None = None
    before_start: Step | None = None
    after_ready: Step | None = None
    after_stop: Step | None = None
    stop_grace: float = STOP_GRACE


@dataclass(frozen=True)
class Status:
    """What is known about a part now."""

    name: str
    state: State
    address: str
    log: Path | None
    pid: int | None = None
    restarts: int = 0
    note: str = ""


@dataclass(frozen=True)
class Backoff:
    """Seconds between two starts: doubling, and back to `first` after a calm time."""

    first: float = 0.25
    longest: float = 10.0
    calm: float = 30.0

    def delay(self, failures: int, ran: float) -> float:
        """The wait after that many deaths in a row (from 1), the last `ran` s after its start."""
        apart = min(self.longest, self.first * 2.0 ** min(failures - 1, 30))
        return max(self.first, apart - ran)


@dataclass(frozen=True)
class Ending:
    """Why a part is not running; `final` when starting it again cannot help."""

    reason: str
    final: bool = False


Listener = Callable[[Status], None]


async def first_of(*work: Coroutine[Any, Any, T]) -> T:
    """The result of the work that ends first, in this order; the others are cancelled.

    What any of it raises, also while it is cancelled, is raised.
    """
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return next(result for result in results if not isinstance(result, BaseException))


class Supervisor:
    """Runs the parts as child processes, each in a process group of its own."""

    def __init__(
        self,
        parts: Sequence[Part],
        listener: Listener,
        *,
        start_timeout: float = 180.0,
        start_attempts: int = 4,
        backoff: Backoff | None = None,
    ) -> None:
        self._parts = {part.name: part for part in parts}
        self._listener = listener
        self._start_timeout = start_timeout
        self._start_attempts = start_attempts
        self._backoff = backoff or Backoff()
        self._ready = {part.name: asyncio.Event() for part in parts}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False
        # Set by the owner when the whole start is over; a part that is restarted later is told by
        # its own status.
        self.settled = False
        self.statuses = {
            part.name: Status(part.name, State.WAITING, part.address, part.log) for part in parts
        }

    async def start(self) -> None:
        """Starts every part as soon as what it needs is ready; returns when all are ready.

        Raises:
            PlatformError: a part did not become ready; the others still run.
        """
        self._keepers = [asyncio.create_task(self._keep(part)) for part in self._parts.values()]
        await first_of(self.wait_failed(), self.wait_ready(*self._parts))

    async def wait_ready(self, *names: str) -> None:
        """Returns when those of these parts that there are are all ready at once."""
        needs = [self._ready[name] for name in names if name in self._ready]
        while not all(event.is_set() for event in needs):
            for event in needs:
                await event.wait()

    async def wait_failed(self) -> None:
        """Returns only when a part is given up, by raising why."""
        done, _ = await asyncio.wait(self._keepers, return_when=asyncio.FIRST_EXCEPTION)
        for keeper in done:
            keeper.result()

    async def stop(self) -> None:
        """Stops every part after the parts that use it; nothing of them is left."""
        self._stopping = True
        self.settled = False
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        stopped = {name: asyncio.Event() for name in self._parts}

        async def stop_after_users(part: Part) -> None:
            for other in self._parts.values():
                if part.name in other.after + other.stop_before:
                    await stopped[other.name].wait()
            try:
                await self._stop_part(part)
            finally:
                stopped[part.name].set()

        await asyncio.gather(*(stop_after_users(part) for part in self._parts.values()))

    async def _keep(self, part: Part) -> None:
        failures = 0
        was_ready = False
        while not self._stopping:
            if not was_ready:
                # Later on a part must come back by itself, whatever else is down.
                await self.wait_ready(*part.after)
            began = time.monotonic()
            ending = await self._run_once(part)
            was_ready = was_ready or self._ready[part.name].is_set()
            self._ready[part.name].clear()
            ran = time.monotonic() - began
            failures = 1 if ran > self._backoff.calm else failures + 1
            if not was_ready and (ending.final or failures >= self._start_attempts):
                self._set(part, state=State.FAILED, pid=None, note=ending.reason)
                raise PlatformError(_failure(part, ending))
            delay = self._backoff.delay(failures, ran)
            self._set(
                part,
                state=State.RESTARTING,
                pid=None,
                note=f"{ending.reason}; again in {delay:.3g} s",
                restarts=self.statuses[part.name].restarts + 1,
            )
            await asyncio.sleep(delay)

    async def _run_once(self, part: Part) -> Ending:
        """Runs the part until it dies or never became ready; returns why."""
        if part.before_start is not None:
            await part.before_start()
        process = await self._spawn(part, part.command) if part.command else None
        self._set(part, state=State.STARTING, pid=process and process.pid, note="")
        try:
            try:
                async with asyncio.timeout(self._start_timeout):
                    problem = await first_of(self._probe_and_set_up(part), _ended(process))
            except TimeoutError:
                note = self.statuses[part.name].note
                problem = Ending(f"not ready after {self._start_timeout:.0f} s {note}".rstrip())
            if problem:
                return problem
            self._set(part, state=State.READY if process else State.EXTERNAL, note="")
            self._ready[part.name].set()
            return await _ended(process)
        finally:
            if process is not None and not self._stopping:
                await self._clear(part, process)
                self._processes.pop(part.name, None)

    async def _spawn(self, part: Part, command: Sequence[str]) -> asyncio.subprocess.Process:
        with _log_file(part.log or Path(os.devnull)) as output:
            process = await asyncio.create_subprocess_exec(
                *guarded(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=part.folder,
                env=dict(part.environment),
                # Ctrl-C in the terminal reaches the supervisor only, and a part can be killed
                # together with the children it has made.
                start_new_session=True,
            )
        self._processes[part.name] = process
        return process

    async def _probe_and_set_up(self, part: Part) -> Ending | None:
        while not await part.ready():  # noqa: ASYNC110 (another process cannot set an event)
            await asyncio.sleep(PROBE_INTERVAL)
        while part.after_ready is not None:
            try:
                await part.after_ready()
            except SetUpError as error:
                if error.final:
                    return Ending(f"set-up failed: {error}", final=True)
                self._set(part, note=f"set-up: {error}")
                await asyncio.sleep(SET_UP_INTERVAL)
            else:
                return None
        return None

    async def _stop_part(self, part: Part) -> None:
        process = self._processes.pop(part.name, None)
        if process is not None:
            self._set(part, state=State.STOPPING)
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), part.stop_grace)
            await self._clear(part, process)
        self._set(part, state=State.STOPPED, pid=None, note="")

    async def _clear(self, part: Part, process: asyncio.subprocess.Process) -> None:
        # The group outlives its leader while a child of the part lives.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await asyncio.to_thread(_reap_group, process.pid)
        if part.after_stop is not None:
            await part.after_stop()

    def _set(self, part: Part, **changes: object) -> None:
        status = replace(self.statuses[part.name], **changes)  # type: ignore[arg-type]
        self.statuses[part.name] = status
        self._listener(status)


async def _ended(process: asyncio.subprocess.Process | None) -> Ending:
    """How the process ended; what exists without one never does."""
    if process is None:
        await asyncio.Event().wait()
    code = await process.wait() if process else 0
    return Ending(f"killed by {SIGNALS.get(-code, -code)}" if code < 0 else f"exited with {code}")


def become_subreaper() -> None:
    """Makes orphans of the parts children of this process, so that it can reap them."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _reap_group(group: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-group, 0)


def _failure(part: Part, ending: Ending) -> str:
    text = f"{part.name} does not start: {ending.reason}"
    if part.log is None or ending.final:
        return text
    return f"{text} (log: {part.log}):\n{tail_of(part.log, 20)}"


@contextlib.contextmanager
def _log_file(log: Path) -> Iterator[int]:
    if log.is_file() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
