"""What happens to parts: kill -9, SIGSTOP and SIGCONT, cut connections; drawn from a seed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections import Counter
from dataclasses import dataclass, field

from tests.platform_under_test import PlatformUnderTest
from tests.support.own_shard import Program, Shard

SERVERS = ("mongod", "seaweedfs", "triton", "kube-apiserver", "etcd", "kube-controller-manager")
LINKS = ("mongo", "kubernetes", "triton", "s3")
# How often each is drawn. A restart of Triton takes the longest to recover from.
WEIGHTS = {"triton": 1, "etcd": 1, "kube-controller-manager": 1}
LONGEST_STOP_SECONDS = 9.0


@dataclass
class Disturber:
    """Does one thing after the other to a part drawn at random, until it is told to stop.

    The order of victims, deeds and pauses follows from the seed alone; what they meet does not.
    """

    shard: Shard
    platform: PlatformUnderTest
    seed: int
    pause: tuple[float, float]
    done: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run)
        thread.start()
        return thread

    def stop(self) -> None:
        self._over.set()

    def _run(self) -> None:
        drawn = random.Random(self.seed)
        own = [program.name for program in self.shard.programs]
        victims = [*own, *SERVERS, *LINKS]
        weights = [3 if name in own else WEIGHTS.get(name, 2) for name in victims]
        while not self._over.wait(drawn.uniform(*self.pause)):
            victim = drawn.choices(victims, weights)[0]
            kill, seconds = drawn.random() < 0.5, drawn.uniform(0.5, LONGEST_STOP_SECONDS)
            if victim in LINKS:
                self._disturb_link(victim, kill, min(seconds, 4.0))
            else:
                self._disturb_process(victim, kill, seconds)

    def _disturb_link(self, name: str, cut: bool, seconds: float) -> None:
        link = getattr(self.shard, name)
        self.done[f"{'cut' if cut else 'held'} {name} link"] += 1
        if cut:
            link.cut()
            return
        link.stall()
        self._over.wait(seconds)
        link.restore()

    def _disturb_process(self, name: str, kill: bool, seconds: float) -> None:
        kind = name.rstrip("0123456789").rstrip("-")
        pid = self._pid_of(name)
        if pid is None:
            return
        # A process may be gone at any moment, by its own or our doing.
        with contextlib.suppress(ProcessLookupError):
            if kill:
                os.kill(pid, signal.SIGKILL)
                self.done[f"killed {kind}"] += 1
                return
            os.kill(pid, signal.SIGSTOP)
            self.done[f"stopped {kind}"] += 1
            self._over.wait(seconds)
            os.kill(pid, signal.SIGCONT)

    def _pid_of(self, name: str) -> int | None:
        for program in self.shard.programs:
            if program.name == name:
                return program.pid if program.runs else None
        pid: int | None = self.platform.part(name)["pid"]
        return pid


class Keeper:
    """Starts the shard's own processes again when they are gone, as a kubelet does."""

    def __init__(self, programs: list[Program]) -> None:
        self._programs = programs
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.3):
            for program in self._programs:
                if not program.runs:
                    program.start()
