"""The weights that there are, as last seen: whether pods may have them, and by which volumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from imagerift_core.kube_workloads import Trouble
from imagerift_core.model_weights import ModelWeightsSpec
from imagerift_core.pod_fields import WEIGHTS_FOLDER
from pydantic import ValidationError

from imagerift_operator.pod_parts import MountedWeights
from imagerift_operator.pool_rules import first_fault
from imagerift_operator.weights_objects import WeightsObjects

READY = "Ready"
NOT_READY = "WeightsNotReady"
# Reasons of weights that are on their way.
_CONDITION = {"type", "status", "reason", "message", "lastTransitionTime"}
ON_THEIR_WAY = frozenset({"Downloading", "Pending", "NotSeen"})


@dataclass
class SeenWeights:
    """A ModelWeights as last seen. `spec` is None where `fault` says what is wrong with it."""

    name: str
    uid: str
    version: str
    generation: int
    finalizers: list[str]
    deleting: bool
    spec: ModelWeightsSpec | None
    fault: str | None
    status: dict[str, Any] = field(default_factory=dict)

    @property
    def conditions(self) -> dict[str, dict[str, Any]]:
        return {
            condition["type"]: condition
            for condition in self.status.get("conditions") or []
            # Anybody with the right may have edited them.
            if condition.keys() >= _CONDITION
        }

    @property
    def ready(self) -> bool:
        """Whether these very files are there and verified, under the licence that is accepted."""
        if self.spec is None or self.conditions.get(READY, {}).get("status") != "True":
            return False
        said = (self.status.get("fingerprint"), self.status.get("licence"))
        return said == (self.spec.fingerprint, self.spec.accept_licence)


class Weights:
    """Follows the ModelWeights of the namespace; every process does, so that a new leader knows.

    `named_by_job_pods` are those that the installation's job pods mount.
    """

    def __init__(self, named_by_job_pods: Iterable[str] = ()) -> None:
        self.named_by_job_pods = frozenset(named_by_job_pods)
        self._seen: dict[str, SeenWeights] = {}
        # Asked for every job that waits, while weights change now and then.
        self._mounted: dict[tuple[str, ...], MountedWeights] = {}

    def __iter__(self) -> Iterator[SeenWeights]:
        return iter(list(self._seen.values()))

    def observe(self, kind: str | None, body: dict[str, Any]) -> None:
        """Takes a present state from the watch."""
        self._mounted.clear()
        metadata = body["metadata"]
        name = metadata["name"]
        if kind == "DELETED":
            known = self._seen.get(name)
            if known is not None and known.uid == metadata["uid"]:
                del self._seen[name]
            return
        spec, fault = None, None
        try:
            spec = ModelWeightsSpec.model_validate(body["spec"])
        except ValidationError as error:
            fault = first_fault(error)
        self._seen[name] = SeenWeights(
            name=name,
            uid=metadata["uid"],
            version=metadata["resourceVersion"],
            generation=metadata.get("generation", 1),
            finalizers=list(metadata.get("finalizers") or []),
            deleting="deletionTimestamp" in metadata,
            spec=spec,
            fault=fault,
            status=body.get("status") or {},
        )

    def mounted(self, names: Sequence[str], *, execution: Literal["Pool", "Pod"]) -> MountedWeights:
        """What a pod that names these weights has of them, if they are all Ready.

        `execution` says for whom: servers of pools, or job pods, whose volumes lie in their own
        namespace.
        """
        asked = (execution, *names)
        if asked not in self._mounted:
            self._mounted[asked] = self._mounts(names, execution)
        return self._mounted[asked]

    def _mounts(self, names: Sequence[str], execution: str) -> MountedWeights:
        volumes: list[dict[str, Any]] = []
        mounts: list[dict[str, Any]] = []
        for number, name in enumerate(names):
            seen = self._seen.get(name)
            words = _lack(name, seen, execution)
            if words is not None or seen is None or seen.spec is None:
                reason = seen.conditions.get(READY, {}).get("reason") if seen else None
                coming = seen is not None and (reason is None or reason in ON_THEIR_WAY)
                return MountedWeights(trouble=Trouble(NOT_READY, words or ""), coming=coming)
            objects = WeightsObjects(name, seen.uid, seen.spec)
            volumes.append(objects.volume(number))
            mounts.append(objects.mount(number))
        return MountedWeights(tuple(volumes), tuple(mounts))


def _lack(name: str, seen: SeenWeights | None, execution: str) -> str | None:
    if seen is None:
        return f"There is no ModelWeights {name}, which would be at {WEIGHTS_FOLDER}/{name}."
    if seen.spec is not None and seen.spec.execution != execution:
        return f"The ModelWeights {name} is for execution {seen.spec.execution}, not {execution}."
    if seen.ready:
        return None
    said = seen.conditions.get(READY, {}).get("message") or "The operator has not looked at it."
    return f"The ModelWeights {name} is not Ready: {said}"
