"""What clients were told, in the order they heard it, and what is there in the end."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

TERMINAL = frozenset({"succeeded", "failed", "canceled"})
Asked = Literal["submit", "poll", "cancel", "hook", "download"]


@dataclass(frozen=True)
class Answer:
    """One answer, or that none came; times are seconds of the clock of whoever asked.

    `status` is HTTP's, None where the connection broke. `job` is the one that was asked for, or
    that the answer names; `told` the status that it was said to have. A submit bears a `mark` that
    its record keeps: without a key each request has its own, with one all that were sent again
    share it. A `hook` is a webhook that came, `message` its id; a `download` has the `digest` of
    what the link gave.
    """

    asked: Asked
    workspace: str
    sent: float
    received: float
    status: int | None
    job: str = ""
    told: str = ""
    code: str = ""
    mark: str = ""
    keyed: bool = False
    settled_by: float | None = None
    message: str = ""
    digest: str = ""

    @property
    def well(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def in_doubt(self) -> bool:
        """Whether it leaves open what became of the request."""
        return self.status is None or self.code in {"outcome_unknown", "idempotency_in_progress"}


@dataclass(frozen=True)
class Job:
    """A record in the end. `outputs` are digests by key; `hooked` whether it names a webhook."""

    id: str
    workspace: str
    mark: str
    status: str
    variations: int = 1
    attempt: int = 1
    charged_units: int = 0
    outputs: Mapping[str, str] = field(default_factory=dict)
    hooked: bool = False


@dataclass(frozen=True)
class Counter:
    """A quota counter, and the units that the ledger has for it."""

    reserved: int
    charged: int
    in_ledger: int


@dataclass(frozen=True)
class FinalState:
    """What the stores hold once everything has come to rest.

    `ledger` has rows by job, `bucket` the digest of each object that a record names, where it is
    there, `messages` the webhooks by job, `sent` how often each attempt was sent to a model.
    """

    jobs: Mapping[str, Job] = field(default_factory=dict)
    ledger: Mapping[str, int] = field(default_factory=dict)
    counters: Mapping[str, Counter] = field(default_factory=dict)
    bucket: Mapping[str, str] = field(default_factory=dict)
    messages: Mapping[str, int] = field(default_factory=dict)
    sent: Mapping[str, int] = field(default_factory=dict)
    resources: Sequence[str] = ()


class History:
    """Answers as they come, from any thread."""

    def __init__(self, answers: Iterable[Answer] = ()) -> None:
        self._answers = list(answers)
        self._adding = threading.Lock()

    def add(self, answer: Answer) -> None:
        with self._adding:
            self._answers.append(answer)

    def answers(self) -> list[Answer]:
        """By the time at which they were received."""
        with self._adding:
            return sorted(self._answers, key=lambda answer: answer.received)

    def write(self, path: Path) -> None:
        """One line of JSON an answer."""
        lines = (json.dumps(dataclasses.asdict(answer)) for answer in self.answers())
        path.write_text("".join(f"{line}\n" for line in lines))

    @classmethod
    def read(cls, path: Path) -> History:
        return cls(Answer(**json.loads(line)) for line in path.read_text().splitlines())
