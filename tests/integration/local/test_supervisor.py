"""Supervision of real child processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from imagerift_local.errors import PlatformError, SetUpError
from imagerift_local.supervisor import Backoff, Part, State, Status, Supervisor, become_subreaper

from tests.support.server_processes import has_ended

QUICK = Backoff(first=0.05, longest=0.8)

# Announces itself in a file, has a child of its own, and notes when it is asked to stop.
PROGRAM = """
import os, signal, subprocess, sys, time
name, folder = sys.argv[1:3]
def stop(*_):
    with open(os.path.join(folder, "order"), "a") as file:
        file.write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
child = subprocess.Popen(["sleep", "1000"])
with open(os.path.join(folder, name + ".child"), "w") as file:
    file.write(str(child.pid))
with open(os.path.join(folder, name + ".up"), "w") as file:
    file.write(str(os.getpid()))
while True:
    time.sleep(1000)
"""


async def until(condition: Callable[[], bool], what: str, timeout: float = 100.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


class Stage:
    """Parts that run PROGRAM, and everything that was said about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.heard: list[Status] = []

    def part(
        self, name: str, after: tuple[str, ...] = (), stop_before: tuple[str, ...] = ()
    ) -> Part:
        async def answers() -> bool:
            return self._up(name).exists()

        async def before_start() -> None:
            self._up(name).unlink(missing_ok=True)

        return Part(
            name=name,
            address=f"test:{name}",
            ready=answers,
            command=[sys.executable, "-c", PROGRAM, name, str(self.folder)],
            after=after,
            stop_before=stop_before,
            environment={"PATH": os.environ["PATH"]},
            log=self.folder / f"{name}.log",
            before_start=before_start,
            stop_grace=10.0,
        )

    def supervisor(self, *parts: Part, start_timeout: float = 20.0) -> Supervisor:
        become_subreaper()
        return Supervisor(parts, self.heard.append, start_timeout=start_timeout, backoff=QUICK)

    def pid(self, name: str) -> int:
        return int(self._up(name).read_text())

    def child(self, name: str) -> int:
        return int((self.folder / f"{name}.child").read_text())

    def order(self) -> list[str]:
        return (self.folder / "order").read_text().split()

    def states(self, name: str) -> list[State]:
        return [status.state for status in self.heard if status.name == name]

    def _up(self, name: str) -> Path:
        return self.folder / f"{name}.up"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@contextlib.asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[Supervisor]:
    try:
        await supervisor.start()
        yield supervisor
    finally:
        await supervisor.stop()


async def test_parts_start_after_what_they_need(stage: Stage) -> None:
    parts = [stage.part("top", after=("middle",)), stage.part("middle", after=("base",))]
    async with running(stage.supervisor(*parts, stage.part("base"))):
        ready = [s.name for s in stage.heard if s.state is State.READY]
        assert ready == ["base", "middle", "top"]


async def test_parts_stop_before_what_they_need_and_leave_nothing(stage: Stage) -> None:
    parts = [
        stage.part("base"),
        stage.part("middle", after=("base",)),
        stage.part("top", stop_before=("middle",)),
    ]
    async with running(stage.supervisor(*parts)):
        pids = [stage.pid(part.name) for part in parts]
        pids += [stage.child(part.name) for part in parts]
    assert stage.order() == ["top", "middle", "base"]
    assert all(has_ended(pid) for pid in pids)
    assert [stage.states(part.name)[-1] for part in parts] == [State.STOPPED] * 3


async def test_a_part_that_is_killed_comes_back_without_its_old_children(stage: Stage) -> None:
    async with running(stage.supervisor(stage.part("one"))) as supervisor:
        first, child = stage.pid("one"), stage.child("one")
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.statuses["one"].restarts == 1, "restart is counted")
        await until(lambda: supervisor.statuses["one"].state is State.READY, "it is ready again")
        assert stage.pid("one") != first
        assert has_ended(child)
        notes = [status.note for status in stage.heard if status.state is State.RESTARTING]
        assert "killed by SIGKILL" in notes[0]


async def test_a_killed_parts_children_are_reaped(stage: Stage) -> None:
    async with running(stage.supervisor(stage.part("one"))) as supervisor:
        child = stage.child("one")
        os.kill(stage.pid("one"), signal.SIGKILL)
        await until(lambda: supervisor.statuses["one"].restarts == 1, "restart is counted")
        await until(lambda: not psutil.pid_exists(child), "no zombie is left")


async def test_a_part_that_dies_again_and_again_starts_further_and_further_apart(
    stage: Stage,
) -> None:
    starts = []
    async with running(stage.supervisor(stage.part("one"))) as supervisor:

        def restarted(times: int) -> bool:
            return supervisor.statuses["one"].restarts == times

        for count in range(1, 6):
            pid = stage.pid("one")
            starts.append(psutil.Process(pid).create_time())
            os.kill(pid, signal.SIGKILL)
            await until(partial(restarted, count), "restart")
            await until(lambda: supervisor.statuses["one"].state is State.READY, "ready again")
        starts.append(psutil.Process(stage.pid("one")).create_time())
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    clock_tick = 0.02
    for death, gap in enumerate(gaps, start=1):
        assert gap >= QUICK.delay(death, 0.0) - clock_tick
    assert gaps[-1] >= 16 * QUICK.first - clock_tick


async def test_all_parts_come_back_when_all_are_killed_at_once(stage: Stage) -> None:
    names = ["base", "middle", "top"]
    parts = [
        stage.part("base"),
        stage.part("middle", after=("base",)),
        stage.part("top", after=("middle",)),
    ]
    async with running(stage.supervisor(*parts)) as supervisor:
        for name in names:
            os.kill(stage.pid(name), signal.SIGKILL)
        await until(lambda: all(supervisor.statuses[n].restarts for n in names), "all restarted")
        await until(
            lambda: all(supervisor.statuses[n].state is State.READY for n in names), "all ready"
        )


async def test_a_part_that_never_starts_ends_the_start_with_its_log(stage: Stage) -> None:
    broken = Part(
        name="broken",
        address="nowhere",
        ready=_never_ready,
        command=["sh", "-c", "echo what went wrong; exit 3"],
        environment={"PATH": os.environ["PATH"]},
        log=stage.folder / "broken.log",
    )
    supervisor = stage.supervisor(stage.part("fine"), broken)
    with pytest.raises(PlatformError, match=r"broken does not start: exited with 3(.|\n)*went"):
        async with running(supervisor):
            pass
    assert has_ended(stage.pid("fine"))


async def test_a_part_that_never_answers_is_given_up(stage: Stage) -> None:
    silent = Part(
        name="silent",
        address="nowhere",
        ready=_never_ready,
        command=["sleep", "1000"],
        environment={"PATH": os.environ["PATH"]},
    )
    with pytest.raises(PlatformError, match="not ready after 0 s"):
        async with running(stage.supervisor(silent, start_timeout=0.2)):
            pass


async def test_a_set_up_that_fails_is_tried_again_without_a_restart(stage: Stage) -> None:
    tries: list[int] = []

    async def set_up() -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise SetUpError("not yet")

    async with running(stage.supervisor(_with_set_up(stage, set_up))) as supervisor:
        assert len(tries) == 3
        assert supervisor.statuses["one"].restarts == 0
        assert supervisor.statuses["one"].note == ""


async def test_a_set_up_that_is_refused_ends_the_start_at_once(stage: Stage) -> None:
    async def set_up() -> None:
        raise SetUpError("the definition is wrong", final=True)

    with pytest.raises(PlatformError, match="the definition is wrong"):
        async with running(stage.supervisor(_with_set_up(stage, set_up))):
            pass


async def test_a_server_that_exists_is_probed_and_not_stopped(stage: Stage) -> None:
    async def answers() -> bool:
        return True

    existing = Part(name="mongod", address="as set", ready=answers)
    supervisor = stage.supervisor(existing, stage.part("api", after=("mongod",)))
    async with running(supervisor):
        assert supervisor.statuses["mongod"].state is State.EXTERNAL
        assert supervisor.statuses["api"].state is State.READY


async def test_a_part_that_ignores_the_request_to_stop_is_killed(stage: Stage) -> None:
    async def answers() -> bool:
        return (stage.folder / "deaf").exists()

    deaf = Part(
        name="deaf",
        address="nowhere",
        ready=answers,
        command=["sh", "-c", f"trap '' TERM; touch {stage.folder}/deaf; sleep 1000"],
        environment={"PATH": os.environ["PATH"]},
        stop_grace=0.2,
    )
    async with running(stage.supervisor(deaf)) as supervisor:
        pid = supervisor.statuses["deaf"].pid
        assert pid is not None
    assert has_ended(pid)


async def _never_ready() -> bool:
    return False


def _with_set_up(stage: Stage, set_up: Callable[[], Awaitable[None]]) -> Part:
    part = stage.part("one")
    return Part(**{**part.__dict__, "after_ready": set_up})
