"""Whether a release may be made with what it ships: no known hole that is high or critical."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from enum import IntEnum

from supply_chain.accepted import Accepted, expired
from supply_chain.components import Component
from supply_chain.osv import Advisory, Osv, Severity, Unreachable

REFUSED: frozenset[Severity] = frozenset({"high", "critical", "unknown"})


class Verdict(IntEnum):
    """The exit status."""

    CLEAN = 0
    REFUSED = 1
    NOT_KNOWN = 3


def check(
    components: Sequence[Component],
    accepted: Sequence[Accepted],
    osv: Osv,
    *,
    on: date,
    say: Callable[[str], None],
) -> Verdict:
    """Asks for all components and says what came of it, a line a finding."""
    asked = [component for component in components if component.ecosystem]
    shipped = [entry for entry in accepted if any(map(entry.is_of, components))]
    over = expired(shipped, on=on)
    for entry in over:
        say(f"REFUSED: {entry.component} {entry.version} was accepted until {entry.until}")
    for component in components:
        if not component.ecosystem:
            say(f"not in OSV, read its vendor's bulletins: {component}")
    try:
        found = osv.advisories(asked)
    except Unreachable as error:
        say(f"NOT KNOWN: {error}. {len(asked)} versions were not compared; this is no pass.")
        return Verdict.REFUSED if over else Verdict.NOT_KNOWN
    findings = [(component, one) for component, known in found.items() for one in known]
    refused = 0
    for component, advisory in findings:
        taken = any(entry.covers(component, advisory, on=on) for entry in accepted)
        if advisory.severity in REFUSED and not taken:
            refused += 1
        say(_line(component, advisory, taken=taken))
    say(f"{len(asked)} versions compared: {len(findings)} advisories, {refused} refused")
    return Verdict.REFUSED if refused or over else Verdict.CLEAN


def _line(component: Component, advisory: Advisory, *, taken: bool) -> str:
    label = "noted"
    if advisory.severity in REFUSED:
        label = "accepted" if taken else "REFUSED"
    names = ", ".join(advisory.ids)
    return f"{label}: {component}: {advisory.severity}: {names}: {advisory.summary}"
