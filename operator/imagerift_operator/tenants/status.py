"""What the status of a tenant's resource says, and whether it has to be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imagerift_core.errors import DomainError

from imagerift_operator.job_status import camel_case
from imagerift_operator.pool_status import Condition, condition

_TIME = "lastTransitionTime"


class ManagedElsewhere(DomainError):
    """Another resource says what this is to be."""

    code = "managed_elsewhere"


@dataclass(frozen=True)
class Outcome:
    """What came of one look at a resource.

    `settled` says that nothing is waited for; what is not settled is soon looked at again.
    `status` holds what the status says beside its conditions.
    """

    conditions: list[Condition]
    status: dict[str, Any] = field(default_factory=dict)
    settled: bool = True


def ready(reason: str, message: str) -> Condition:
    return condition("Ready", "True", reason, message)


def not_ready(reason: str, message: str) -> Condition:
    return condition("Ready", "False", reason, message)


def as_applied() -> Condition:
    return condition("Drifted", "False", "AsApplied", "It is as its resource says.")


def drifted(reason: str, message: str) -> Condition:
    return condition("Drifted", "True", reason, message)


def changed_elsewhere(differs: Mapping[str, tuple[object, object]]) -> Condition:
    """Drifted, by what is otherwise: (wished, present) of each field."""
    if not differs:
        return as_applied()
    words = "; ".join(
        f"{field} is {_shown(present)}, and {_shown(wished)} in the spec"
        for field, (wished, present) in differs.items()
    )
    return drifted("ChangedElsewhere", words)


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)


def refused(error: DomainError) -> Outcome:
    """What is said of a resource that a rule refuses; it is tried again, for rules change."""
    return Outcome([not_ready(camel_case(error.code), error.message)], settled=False)


def status_of(body: dict[str, Any], outcome: Outcome) -> dict[str, Any] | None:
    """The whole status to write; None where the object says that already.

    A condition keeps the time at which its status last changed, and what was said before of
    fields that `outcome` says nothing of is kept.
    """
    before = body.get("status") or {}
    known = {each.get("type"): each for each in before.get("conditions") or []}
    conditions = [_since(known.get(each["type"]), each) for each in outcome.conditions]
    told = {name: value for name, value in outcome.status.items() if value is not None}
    gone = {name for name, value in outcome.status.items() if value is None}
    after = {name: value for name, value in before.items() if name not in gone}
    after |= told | {
        "conditions": conditions,
        "observedGeneration": body["metadata"].get("generation", 1),
    }
    return None if after == before else after


def _since(before: Condition | None, after: Condition) -> Condition:
    if before is not None and before.get("status") == after["status"] and _TIME in before:
        return after | {_TIME: before[_TIME]}
    return after
