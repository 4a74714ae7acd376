"""Of every loop of the API: whichever member fails, and however, all the others are served.

A loop that is added to the API needs its case here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

import pytest
from aiohttp import web
from imagerift_api import context
from imagerift_api.background import LOOPS
from imagerift_api.debounced_writer import DebouncedWriter
from imagerift_api.metrics import METRICS
from imagerift_api.settings import SETTINGS
from imagerift_api.webhooks import worker
from imagerift_api.webhooks.worker import WebhookWorker
from imagerift_core import clock_watch
from imagerift_core.clock import now
from imagerift_core.clock_watch import ClockWatch
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.mongo.deliveries import Delivery, Try

from tests.support.members import MEMBERS, Members
from tests.support.named_loops import NamedLoops

# The loops that have no members, and what would be the one member of each.
WHOLE = {
    "catalogue": "one read of all that was added",
    "indexes": "made once, and tried until they are",
    "presence": "one row of the process's own",
    "webhook_backlog": "one count of all that is undelivered",
}


async def values_are_written(members: Members) -> None:
    async def write(values: Mapping[str, int]) -> None:
        members.check(values)
        for member in values:
            members.serve(member)

    writer = DebouncedWriter("values", write, seconds=0)
    for member in MEMBERS:
        writer.record(member, 1)
    await members.while_running(writer.run())


async def clocks_are_read(members: Members) -> None:
    def reader(member: str) -> Any:
        async def read() -> Any:
            members.serve(member)
            return now()

        return read

    await members.while_running(ClockWatch({member: reader(member) for member in MEMBERS}).run())


async def webhooks_are_sent(members: Members) -> None:
    waiting = [
        Delivery(
            _id=member,
            workspace="ws_1",
            job=member,
            event="job.succeeded",
            target="whk_1",
            url="https://hook.example/",
            created_at=now(),
            next_at=now(),
        )
        for member in MEMBERS
    ]
    tries: dict[str, str | None] = {}

    async def lease(**_: Any) -> Any:
        leased = SimpleNamespace(deliveries=list(waiting), put_off=0)
        waiting.clear()
        return leased

    async def get(job: str, **_: Any) -> None:
        members.serve(job)

    async def record_try(delivery: Delivery, result: Try, **_: Any) -> bool:
        tries[delivery.id] = result.error
        return True

    queue = SimpleNamespace(lease=lease, record_try=record_try, release=AsyncMock())
    sender = WebhookWorker(
        queue=cast(Any, queue),
        webhooks=AsyncMock(),
        jobs=cast(Any, SimpleNamespace(get=get)),
        webhook_secrets=MagicMock(),
        egress=MagicMock(),
        metrics=MagicMock(),
    )
    sender._secret_of = AsyncMock(return_value="whsec_" + "A" * 32)  # type: ignore[method-assign]
    sender._try = AsyncMock(  # type: ignore[method-assign]
        return_value=Try(at=now(), status=200, latency_ms=1, error=None)
    )
    await members.while_running(sender.run())


CASES: dict[str, Callable[[Members], Awaitable[None]]] = {
    "key_usage": values_are_written,
    "resource_uids": values_are_written,
    "clocks": clocks_are_read,
    "webhooks": webhooks_are_sent,
}


async def test_every_loop_of_the_api_has_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def opened(*_: object, **__: object) -> AsyncIterator[Any]:
        yield MagicMock()

    for name in ("connect", "open_store", "connect_kube"):
        monkeypatch.setattr(context, name, opened)
    monkeypatch.setattr(clock_watch, "START_SECONDS", 0)
    settings: Any = MagicMock(
        plans_file=None,
        modes_file=None,
        job_pods_file=None,
        crash_dir=None,
        oidc_issuer=None,
        session_hours=12,
        session_idle_minutes=60,
        sign_in_users_file=None,
        **{
            "webhook_secret.return_value": b"s" * 32,
            "sign_in_secret.return_value": b"s" * 32,
        },
    )
    loops, application = NamedLoops(), web.Application()
    application[SETTINGS] = settings
    application[LOOPS] = loops
    metrics: Any = MagicMock()
    application[METRICS] = metrics
    opening = context.open_context(application)
    await anext(opening)
    assert set(CASES) | set(WHOLE) == set(loops.started)
    await cast(Any, opening).aclose()


# These write all of theirs by one command: a store that does not answer answers nobody.
BY_ONE_COMMAND = {"key_usage", "resource_uids"}
FAILURES = [
    *(pytest.param(name, ValueError("broken"), id=f"{name}-broken") for name in CASES),
    *(
        pytest.param(name, CapacityUnavailable("away"), id=f"{name}-away")
        for name in CASES
        if name not in BY_ONE_COMMAND
    ),
]


@pytest.mark.parametrize("bad", MEMBERS)
@pytest.mark.parametrize(("name", "error"), FAILURES)
async def test_the_others_are_served_whichever_fails(
    name: str, bad: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_POLL_SECONDS", 0.01)
    members = Members(bad, error)
    await CASES[name](members)
    assert members.served == set(MEMBERS) - {bad}
    assert not members.died


async def test_a_delivery_that_breaks_counts_as_a_try_and_waits_like_any_other() -> None:
    recorded: list[tuple[str | None, str]] = []

    async def record_try(_: Delivery, result: Try, *, state: str, next_at: Any) -> bool:
        assert next_at > now()
        recorded.append((result.error, state))
        return True

    sender = WebhookWorker(
        queue=cast(Any, SimpleNamespace(record_try=record_try)),
        webhooks=AsyncMock(),
        jobs=AsyncMock(**{"get.side_effect": ValueError("cannot be read")}),
        webhook_secrets=MagicMock(),
        egress=MagicMock(),
        metrics=MagicMock(),
    )
    sender._secret_of = AsyncMock(return_value="whsec_" + "A" * 32)  # type: ignore[method-assign]
    delivery = Delivery(
        _id="evt_1",
        workspace="ws_1",
        job="job-1",
        event="job.succeeded",
        target="whk_1",
        url="https://hook.example/",
        created_at=now(),
        next_at=now(),
    )
    await sender._deliver(MagicMock(), delivery)
    assert recorded == [("internal_error", "pending")]
