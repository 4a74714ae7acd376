"""A replica set that fails over, loses its majority, and leaves commits in doubt."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from typing import Any

from imagerift_core.mongo.database import APP_NAME

from tests.chaos.disturbance import Deed, Moment
from tests.support.replica_set import NOT_REPLICATED, Member, ReplicaSet

# An API answers after 25 s and a commit is asked about for 30: some disturbances outlast both.
_LONG_SECONDS = 40.0
_LONG_SHARE = 0.15
_OUT_OF_DISK = 14031
_WRITES = ("insert", "update", "findAndModify", "delete", "commitTransaction")


def store_deeds(store: ReplicaSet) -> list[Deed]:
    def of_primary(name: str, weight: float, do: Callable[[Member, Moment], str]) -> Deed:
        def act(moment: Moment) -> str | None:
            primary = store.primary()
            return do(primary, moment) if primary is not None else None

        return Deed(name, weight, act)

    return [
        Deed("step-down", 3, partial(_step_down, store)),
        of_primary("kill primary", 3, _kill),
        of_primary("stop primary", 3, _stop),
        Deed("stop secondaries", 3, partial(_without_majority, store)),
        Deed("kill secondaries", 2, partial(_kill_secondaries, store)),
        Deed("roll back", 3, partial(_roll_back, store)),
        of_primary("commits not replicated", 3, partial(_fail, "commits", NOT_REPLICATED)),
        of_primary("commits cut off", 2, partial(_fail, "answers", {"closeConnection": True})),
        of_primary("no disk", 2, _no_disk),
    ]


def _length(moment: Moment) -> float:
    return _LONG_SECONDS if moment.drawn.random() < _LONG_SHARE else moment.seconds


def _step_down(store: ReplicaSet, moment: Moment) -> str | None:
    del moment
    return "stepped down primary" if store.step_down() is not None else None


def _kill(primary: Member, moment: Moment) -> str:
    del moment
    primary.send(signal.SIGKILL)
    return "killed primary"


def _stop(primary: Member, moment: Moment) -> str:
    primary.send(signal.SIGSTOP)
    moment.pause(moment.seconds)
    primary.send(signal.SIGCONT)
    return "stopped primary"


def _without_majority(store: ReplicaSet, moment: Moment) -> str:
    seconds = _length(moment)
    with store.without_majority():
        moment.pause(seconds)
    return f"stopped all secondaries{' for long' if seconds == _LONG_SECONDS else ''}"


def _kill_secondaries(store: ReplicaSet, moment: Moment) -> str:
    del moment
    for member in store.secondaries():
        member.send(signal.SIGKILL)
    return "killed all secondaries"


def _roll_back(store: ReplicaSet, moment: Moment) -> str | None:
    """What the primary takes while its secondaries are away is lost with it."""
    primary = store.primary()
    if primary is None:
        return None
    with store.without_majority():
        moment.pause(min(moment.seconds, 3.0))
        primary.send(signal.SIGKILL)
    return "rolled back what no majority had"


def _fail(what: str, how: dict[str, Any], primary: Member, moment: Moment) -> str:
    seconds = _length(moment)
    with primary.failing("commitTransaction", appName=APP_NAME, **how):
        moment.pause(seconds)
    return f"left {what} in doubt{' for long' if seconds == _LONG_SECONDS else ''}"


def _no_disk(primary: Member, moment: Moment) -> str:
    with primary.failing(*_WRITES, appName=APP_NAME, errorCode=_OUT_OF_DISK):
        moment.pause(moment.seconds)
    return "mongod out of disk by its word"
