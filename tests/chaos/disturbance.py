"""One disturbance after the other, drawn from a seed, until the customers are done."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

LONGEST_STOP_SECONDS = 9.0


@dataclass
class Moment:
    """What a deed has to go by: its own randomness, some seconds, and a pause that ends early
    when all is over."""

    drawn: random.Random
    seconds: float
    pause: Callable[[float], object]


@dataclass(frozen=True)
class Deed:
    """Something that is done to a part and undone before it returns.

    `do` returns what was done, to be counted, or None where there was nothing to do it to.
    """

    name: str
    weight: float
    do: Callable[[Moment], str | None]


class Kept(Protocol):
    """A process that is started again when it is gone, as a kubelet does."""

    name: str
    process: subprocess.Popen[bytes] | None

    @property
    def runs(self) -> bool: ...

    def start(self) -> None: ...


@dataclass
class Disturber:
    """Does one deed after the other.

    The order of deeds, victims and pauses follows from the seed alone; what they meet does not.
    """

    deeds: Sequence[Deed]
    seed: int
    pause: tuple[float, float]
    done: Counter[str] = field(default_factory=Counter)
    broke: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run)
        thread.start()
        return thread

    def stop(self) -> None:
        self._over.set()

    def _run(self) -> None:
        drawn = random.Random(self.seed)
        weights = [deed.weight for deed in self.deeds]
        while not self._over.wait(drawn.uniform(*self.pause)):
            deed = drawn.choices(self.deeds, weights)[0]
            own = random.Random(drawn.getrandbits(64))
            moment = Moment(own, own.uniform(0.5, LONGEST_STOP_SECONDS), self._over.wait)
            try:
                done = deed.do(moment)
            except Exception:  # noqa: BLE001 - what it was done to may be away; told in the end
                self.broke.append(f"{deed.name}: {traceback.format_exc(limit=-3)}")
                continue
            if done is not None:
                self.done[done] += 1


class Keeper:
    """Starts processes again when they are gone; `ended` counts what nobody had killed."""

    def __init__(self, kept: Sequence[Kept]) -> None:
        self.ended: Counter[str] = Counter()
        self._kept = kept
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.3):
            for process in self._kept:
                if not process.runs:
                    status = process.process.returncode if process.process else 0
                    if status != -signal.SIGKILL:
                        self.ended[f"{process.name} with {status}"] += 1
                    process.start()
