"""What a pool's status says of it: what is known, and `Unknown` where nothing is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog
from imagerift_core.clock import now, rfc3339
from imagerift_core.isolation import Isolation
from imagerift_core.kube import Kube, KubeUnavailable
from imagerift_core.kube_calls import KubeRefused, words_of
from imagerift_core.kube_events import Regarding
from imagerift_core.kube_workloads import Trouble

from imagerift_operator.events import EventWriter
from imagerift_operator.leadership import Leadership
from imagerift_operator.pod_parts import NO_WEIGHTS, MountedWeights

log = structlog.get_logger(__name__)

_MAX_MESSAGE = 1024
_STATUSES = Literal["True", "False", "Unknown"]
# Reasons for which a pool is not ready that are no trouble.
_CONDITION = {"type", "status", "reason", "message", "lastTransitionTime"}
_QUIET = frozenset({"NotSeen", "ScaledToZero", "NoServer", "Starting", "WaitingForWeights"})

Condition = dict[str, Any]


@dataclass(frozen=True)
class ServersSeen:
    """The servers of a templated pool as Kubernetes has them.

    `asked` were asked for, `pods` are there, `placed` of them have a node and `troubled` cannot
    come up. `trouble` is the first reason for which one is missing. `weights` are those that are
    named.
    """

    asked: int
    pods: int = 0
    placed: int = 0
    troubled: int = 0
    unschedulable: str | None = None
    trouble: Trouble | None = None
    weights: MountedWeights = NO_WEIGHTS

    def is_coming(self, ready: int) -> bool:
        """Whether a server comes up, or will once a job waits, beside the `ready` ones."""
        return self.trouble is None or self.pods - self.troubled > ready


@dataclass
class ReportedStatus:
    """The status of one pool: as read from the server, then as last written by this process."""

    name: str
    uid: str
    written: dict[str, Any] | None = None
    conditions: dict[str, Condition] = field(default_factory=dict)

    def read(self, body: dict[str, Any]) -> None:
        """Takes what another process wrote, until this one has written itself."""
        if self.written is None:
            conditions = (body.get("status") or {}).get("conditions") or []
            # Anybody with the right may have edited them.
            self.conditions = {c["type"]: c for c in conditions if c.keys() >= _CONDITION}


class PoolReporter:
    """Writes the pools' status where it changed, and tells of trouble; only while leading.

    `loaded` is told a pool's name, and the seconds in which one of its servers became ready.
    """

    def __init__(
        self,
        kube: Kube,
        events: EventWriter,
        leadership: Leadership,
        isolated: Isolation,
        *,
        loaded: Callable[[str, float], None] = lambda _pool, _seconds: None,
    ) -> None:
        self.loaded = loaded
        self._kube = kube
        self._events = events
        self._leadership = leadership
        self._isolated = isolated

    async def report(
        self, status: ReportedStatus, seen: dict[str, Any], conditions: list[Condition]
    ) -> None:
        """Writes `seen` with `conditions`; an API server that is away is asked again later.

        One that refuses them is asked again ever later, and an Event on the pool says why.
        """
        if not self._leadership.leading:
            status.written = None
            return
        kept = [since(status.conditions.get(c["type"]), c) for c in conditions]
        seen = seen | {"conditions": kept}
        if seen == status.written or self._isolated.is_set_aside(status.name):
            return
        # The watch may tell of this very write before its answer is here.
        before = status.conditions
        try:
            await self._kube.patch_pool_status(status.name, seen, uid=status.uid)
        except KubeUnavailable:
            return
        except KubeRefused as error:
            self._isolated.failed(status.name, error)
            pool = Regarding("TritonPool", status.name, status.uid)
            self._events.tell(pool, "Warning", "StatusRefused", words_of(error))
            return
        self._isolated.succeeded(status.name)
        status.written, status.conditions = seen, {c["type"]: c for c in kept}
        self._tell(status, before)

    def _tell(self, status: ReportedStatus, before: dict[str, Condition]) -> None:
        was, is_now = trouble_of(before), trouble_of(status.conditions)
        pool = Regarding("TritonPool", status.name, status.uid)
        if is_now is not None:
            if was is None or was.reason != is_now.reason:
                self._events.tell(pool, "Warning", is_now.reason, is_now.words)
        elif was is not None and status.conditions["Ready"]["status"] == "True":
            self._events.tell(pool, "Normal", "Recovered", status.conditions["Ready"]["message"])


def trouble_of(conditions: dict[str, Condition]) -> Trouble | None:
    """The trouble that conditions say, None where the pool starts, is idle or is well."""
    for kind in ("Progressing", "Ready"):
        condition = conditions.get(kind)
        if condition is None or condition["status"] != "False":
            continue
        if condition["reason"] not in _QUIET:
            return Trouble(condition["reason"], condition["message"])
    return None


def endpoint_conditions(*, ready: int, present: int) -> list[Condition]:
    """The conditions of a pool whose server somebody else runs."""
    if ready:
        return [_answers(ready, present)]
    words = "The server does not answer, does not take the token, or has no control model."
    return [condition("Ready", "False", "NoReplicaReady", words)]


def template_conditions(seen: ServersSeen | None, *, ready: int) -> list[Condition]:
    """The conditions of a pool whose servers the operator makes; `ready` of them answer."""
    if seen is None:
        words = "The operator has not looked at this pool's servers yet."
        return [
            _answers(ready, ready) if ready else condition("Ready", "Unknown", "NotSeen", words),
            condition("Progressing", "Unknown", "NotSeen", words),
            condition("Unschedulable", "Unknown", "NotSeen", words),
        ]
    told = [_readiness(seen, ready), _progress(seen, ready), _placement(seen)]
    return [*told, *_of_weights(seen.weights)]


def refused_conditions(reason: Literal["Invalid", "NotAllowed"], words: str) -> list[Condition]:
    """The conditions of a pool that is not served for what its spec says."""
    return [condition("Ready", "False", reason, words)]


def condition(kind: str, status: _STATUSES, reason: str, message: str) -> Condition:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message[:_MAX_MESSAGE],
        "lastTransitionTime": rfc3339(now()),
    }


def since(before: Condition | None, after: Condition) -> Condition:
    """The condition with the time at which its status last changed."""
    if before is not None and before["status"] == after["status"]:
        return after | {"lastTransitionTime": before["lastTransitionTime"]}
    return after


def _answers(ready: int, present: int) -> Condition:
    return condition("Ready", "True", "ReplicasReady", f"{ready} of {present} replica(s) answer.")


def _readiness(seen: ServersSeen, ready: int) -> Condition:
    if ready:
        return _answers(ready, max(ready, seen.pods))
    if seen.trouble is not None:
        return condition("Ready", "False", seen.trouble.reason, seen.trouble.words)
    if seen.weights.trouble is not None:
        return condition("Ready", "False", "WaitingForWeights", seen.weights.trouble.words)
    if seen.asked == 0:
        words = "The first job that waits brings a server up."
        return condition("Ready", "False", "ScaledToZero", words)
    if seen.pods == 0:
        return condition("Ready", "False", "NoServer", _none_made(seen))
    words = f"{seen.pods} server(s) are there; none of them has its models yet."
    return condition("Ready", "False", "Starting", words)


def _progress(seen: ServersSeen, ready: int) -> Condition:
    if seen.trouble is not None:
        return condition("Progressing", "False", seen.trouble.reason, seen.trouble.words)
    if seen.weights.trouble is not None:
        return condition("Progressing", "True", "WaitingForWeights", seen.weights.trouble.words)
    if ready >= seen.asked:
        words = f"As many servers answer as are asked for ({seen.asked})."
        return condition("Progressing", "True", "Complete", words)
    if seen.pods == 0:
        return condition("Progressing", "True", "NoServer", _none_made(seen))
    words = f"{ready} of {seen.asked} server(s) asked for answer; {seen.pods} are there."
    return condition("Progressing", "True", "Starting", words)


def _of_weights(weights: MountedWeights) -> list[Condition]:
    """The condition WeightsReady of a pool that names weights."""
    if weights.trouble is not None:
        return [condition("WeightsReady", "False", weights.trouble.reason, weights.trouble.words)]
    if not weights.volumes:
        return []
    words = f"All weights that the pool names ({len(weights.volumes)}) are Ready."
    return [condition("WeightsReady", "True", "Ready", words)]


def _placement(seen: ServersSeen) -> Condition:
    """The condition Unschedulable, with the scheduler's words where a server has no node."""
    if seen.unschedulable is not None:
        return condition("Unschedulable", "True", "Unschedulable", seen.unschedulable)
    if seen.pods == 0:
        return condition("Unschedulable", "Unknown", "NoServer", "There is no server to place.")
    if seen.placed < seen.pods:
        words = f"{seen.placed} of {seen.pods} server(s) have a node yet."
        return condition("Unschedulable", "Unknown", "NotPlaced", words)
    words = f"Every server that is there ({seen.pods}) has a node."
    return condition("Unschedulable", "False", "Scheduled", words)


def _none_made(seen: ServersSeen) -> str:
    return f"Kubernetes has made none of the {seen.asked} server(s) asked for yet."
