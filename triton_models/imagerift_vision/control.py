"""Cancel flags, deadlines and progress: a job seen and stopped from outside while it computes."""

import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Unpack

from imagerift_vision.errors import VisionError
from imagerift_vision.progress import EntryLine, Teller, Told, Untold, read_progress

FLAG_LIFETIME_SECONDS = 2 * 3600.0
FLAG_SUFFIX = ".cancel"
RUNNING_SUFFIX = ".running"


class Guard(Protocol):
    """Asked by every stage, variation and tile whether the attempt may continue."""

    spare: float
    """Seconds that it may still wait for a model without their counting."""

    def check(self) -> None:
        """Return if work may continue; raise VisionError `canceled` or `timeout` if not."""

    def seconds_left(self) -> float:
        """Seconds until the deadline, never negative."""

    def tell(self, **told: Unpack[Told]) -> None:
        """Says how far the attempt is, to whoever looks."""

    def waited(self, seconds: float) -> None:
        """Says that it waited for a model that worked for others, which does not count."""


@dataclass(frozen=True)
class CancelFlags:
    """One small file per canceled attempt, in a folder that all model processes share."""

    folder: Path

    def path_of(self, attempt_id: str) -> Path:
        """The flag's path. Its name is a hash, since an attempt id may have any character."""
        digest = hashlib.sha256(attempt_id.encode()).hexdigest()
        return self.folder / f"{digest}{FLAG_SUFFIX}"

    def raise_flag(self, attempt_id: str) -> None:
        """Flag an attempt as canceled. Flagging it again changes nothing."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path_of(attempt_id).touch(mode=0o600)

    def is_raised(self, attempt_id: str) -> bool:
        """Whether the attempt was flagged."""
        return self.path_of(attempt_id).exists()

    def sweep(self, now: float | None = None) -> int:
        """Delete flags that no running attempt can still need; return how many."""
        limit = (time.time() if now is None else now) - FLAG_LIFETIME_SECONDS
        swept = 0
        for flag in self.folder.glob(f"*{FLAG_SUFFIX}"):
            try:
                if flag.stat().st_mtime < limit:
                    flag.unlink()
                    swept += 1
            except FileNotFoundError:
                continue  # another process swept it first
        return swept


@dataclass(frozen=True)
class RunningAttempts:
    """One locked file per attempt that is running on this server.

    The lock goes with its process, so that an attempt whose process died is not waited for.
    """

    folder: Path

    def path_of(self, attempt_id: str) -> Path:
        """The attempt's file, in which is told how far it is."""
        digest = hashlib.sha256(attempt_id.encode()).hexdigest()
        return self.folder / f"{digest}{RUNNING_SUFFIX}"

    @contextmanager
    def running(self, attempt_id: str) -> Iterator[Teller]:
        """The attempt counts as running inside this block, and may tell how far it is."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path_of(attempt_id)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield EntryLine(file.fileno())
            finally:
                path.unlink(missing_ok=True)

    def progress(self, attempt_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """How far those of them are that run here."""
        told = {name: read_progress(self.path_of(name)) for name in attempt_ids}
        return {name: found for name, found in told.items() if found is not None}

    def count(self) -> int:
        """How many attempts run now."""
        return sum(_is_locked(path) for path in self.folder.glob(f"*{RUNNING_SUFFIX}"))


def _is_locked(path: Path) -> bool:
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False  # it ended just now
    return False


@dataclass
class AttemptGuard:
    """The guard of one attempt: its cancel flag, and its deadline by a clock that nobody sets."""

    flags: CancelFlags
    attempt_id: str
    deadline: float
    clock: Callable[[], float] = time.monotonic
    teller: Teller = field(default_factory=Untold)
    spare: float = 0.0
    """Seconds that it may still wait for a model without their counting."""
    waits: float = 0.0
    """Seconds that it has waited so."""

    @classmethod
    def begun(
        cls, flags: CancelFlags, attempt_id: str, seconds_left: float, spare: float = 0.0
    ) -> "AttemptGuard":
        """The guard of an attempt that has so many seconds from now on."""
        return cls(flags, attempt_id, time.monotonic() + seconds_left, spare=spare)

    def check(self) -> None:
        """Raise VisionError `canceled` or `timeout` when the attempt must stop."""
        if self.flags.is_raised(self.attempt_id):
            raise VisionError("canceled", "the job was canceled")
        if self.clock() >= self.deadline:
            raise VisionError("timeout", "the job's deadline has passed")

    def seconds_left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline - self.clock())

    def tell(self, **told: Unpack[Told]) -> None:
        """Says how far the attempt is, to whoever looks."""
        self.teller.tell(**told)

    def waited(self, seconds: float) -> None:
        """Says that it waited for a model that worked for others, which does not count."""
        given = min(max(0.0, seconds), self.spare)
        self.spare -= given
        self.waits += given
        self.deadline += given


@dataclass(frozen=True)
class Command:
    """What `control` is asked."""

    cancel: str | None = None
    """The attempt to stop."""
    progress: tuple[str, ...] | None = None
    """The attempts of which is asked how far they are; None where nobody asks."""


def read_command(raw: bytes) -> Command:
    """What a COMMAND document asks; nothing when it is no such document."""
    try:
        document = json.loads(raw)
    except ValueError:
        return Command()
    if not isinstance(document, dict):
        return Command()
    cancel, progress = document.get("cancel"), document.get("progress")
    return Command(
        cancel if isinstance(cancel, str) and cancel else None,
        tuple(name for name in progress if isinstance(name, str))
        if isinstance(progress, list)
        else None,
    )
