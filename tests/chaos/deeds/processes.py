"""kill -9, SIGSTOP and SIGCONT, slow motion; connections cut or held."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial

from tests.chaos.disturbance import Deed, Moment
from tests.platform_under_test import PlatformUnderTest
from tests.support.own_shard import Program, Shard

SERVERS = ("mongod", "seaweedfs", "triton", "kube-apiserver", "etcd", "kube-controller-manager")
LINKS = ("mongo", "kubernetes", "triton", "s3")
# How often each is drawn. A restart of Triton takes the longest to recover from.
_WEIGHTS = {"triton": 1, "etcd": 1, "kube-controller-manager": 1}
_LONGEST_HOLD_SECONDS = 4.0
# A process in slow motion runs for the first part of each of these and rests for the second.
_SLOW_SECONDS = (0.03, 0.2)


def process_deeds(
    shard: Shard, platform: PlatformUnderTest, *, without: Sequence[str] = ()
) -> list[Deed]:
    """Those for the shard's own processes, the platform's servers and the links between them."""
    own = [
        Deed(
            program.name,
            3,
            partial(_disturb_process, kind_of(program.name), partial(_own, program)),
        )
        for program in shard.programs
    ]
    servers = [
        Deed(
            name,
            _WEIGHTS.get(name, 2),
            partial(_disturb_process, name, partial(_pid, platform, name)),
        )
        for name in SERVERS
        if name not in without
    ]
    links = [
        Deed(f"{name} link", 2, partial(_disturb_link, shard, name))
        for name in LINKS
        if name not in without
    ]
    return [*own, *servers, *links]


def kind_of(name: str) -> str:
    """A process's name without its number."""
    return name.rstrip("0123456789").rstrip("-")


def _own(program: Program) -> int | None:
    return program.pid if program.runs else None


def _pid(platform: PlatformUnderTest, name: str) -> int | None:
    pid: int | None = platform.part(name)["pid"]
    return pid


def _disturb_process(kind: str, pid_of: Callable[[], int | None], moment: Moment) -> str | None:
    way = moment.drawn.choices(("killed", "stopped", "slowed"), (5, 4, 1))[0]
    pid = pid_of()
    if pid is None:
        return None
    # A process may be gone at any moment, by its own or our doing.
    with contextlib.suppress(ProcessLookupError):
        if way == "killed":
            os.kill(pid, signal.SIGKILL)
        elif way == "stopped":
            os.kill(pid, signal.SIGSTOP)
            moment.pause(moment.seconds)
            os.kill(pid, signal.SIGCONT)
        else:
            slow_down(pid, moment)
    return f"{way} {kind}"


def slow_down(pid: int, moment: Moment) -> None:
    """Lets a process run for a fraction of the time. Raises `ProcessLookupError`."""
    end = time.monotonic() + moment.seconds
    runs, rests = _SLOW_SECONDS
    while time.monotonic() < end and not moment.pause(runs):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(rests)
        os.kill(pid, signal.SIGCONT)


def _disturb_link(shard: Shard, name: str, moment: Moment) -> str:
    link = getattr(shard, name)
    if moment.drawn.random() < 0.5:
        link.cut()
        return f"cut {name} link"
    link.stall()
    moment.pause(min(moment.seconds, _LONGEST_HOLD_SECONDS))
    link.restore()
    return f"held {name} link"
