"""The recount of charges: what it finds is shown by the leader, and nothing before it was made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from imagerift_core.mongo.audit import Difference
from imagerift_operator.sweeps.charges import ChargeAudit


class Shown:
    """Stands in for the metrics."""

    def __init__(self) -> None:
        self.read: dict[str, Any] = {}

    def watch(self, name: str, _description: str, read: Any) -> None:
        self.read[name] = read


async def test_a_recount_is_shown_by_the_leader() -> None:
    found: list[Difference] = []

    async def differences() -> list[Difference]:
        return found

    leadership = SimpleNamespace(leading=True)
    charges = ChargeAudit(
        cast(Any, SimpleNamespace(differences=differences)), cast(Any, leadership)
    )
    shown = Shown()
    charges.show(cast(Any, shown))
    wrong, at = shown.read.values()
    assert wrong() is None and at() is None
    await charges.sweep().run()
    assert wrong() == 0 and at() > 0
    found.append(Difference("team:ws_a:2026-11", "charged", 3, 2))
    await charges.sweep().run()
    assert wrong() == 1
    leadership.leading = False
    assert wrong() is None and at() is None
