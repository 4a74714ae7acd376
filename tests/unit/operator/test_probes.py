"""What the operator's health says: who leads, and whether a loop keeps dying."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import kopf
import pytest
from imagerift_operator.handlers import register
from kopf._core.intents.causes import Activity


async def asked(*, leads: bool, dying: list[str]) -> dict[str, Any]:
    """The answers of every probe, by name. Raises what Kopf answers with 500."""
    context = SimpleNamespace(
        leadership=SimpleNamespace(leading=leads),
        loops=SimpleNamespace(dying=dying),
        tenants=None,
    )
    registry = kopf.OperatorRegistry()
    register(registry, cast(Any, context))
    probes = registry._activities.get_handlers(activity=Activity.PROBE)
    return {str(probe.id): await cast(Any, probe.fn)() for probe in probes}


async def test_it_is_alive_whether_it_leads_or_not() -> None:
    for leads in (True, False):
        assert await asked(leads=leads, dying=[]) == {"leading": leads, "loops": "alive"}


async def test_it_is_not_where_a_loop_keeps_dying() -> None:
    with pytest.raises(kopf.PermanentError, match="settler"):
        await asked(leads=True, dying=["settler"])
