"""What is refused of a resource is told on it, and tried again ever later."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from imagerift_core.kube_calls import KubeRefused
from imagerift_core.kube_events import Regarding
from imagerift_operator.job_index import JobIndex
from imagerift_operator.status_writer import StatusWriter

from tests.unit.operator.builders import isolation, make_entry, make_record

REFUSED = KubeRefused(status=403, reason="Forbidden")
REFUSED.body = '{"kind":"Status","message":"admission webhook denied the request: keep"}'
WORDS = "admission webhook denied the request: keep"
JOB = Regarding("GenerationJob", "a", "uid-a")


class Server:
    """An API server that refuses what a test says, and keeps the Events."""

    def __init__(self) -> None:
        self.deletes = 0
        self.told: list[tuple[Regarding, str, str]] = []
        self.heard = asyncio.Event()
        self.isolated = isolation()
        stand_in = cast(Any, self)
        self.writer = StatusWriter(
            stand_in,
            JobIndex(),
            MagicMock(),
            MagicMock(),
            stand_in,
            deletions=self.isolated,
        )

    async def delete_job(self, _: str, **__: object) -> None:
        self.deletes += 1
        raise REFUSED

    async def patch_job_status(self, *_: object, **__: object) -> None:
        raise REFUSED

    def tell(self, regarding: Regarding, kind: str, reason: str, note: str) -> None:
        assert kind == "Warning"
        self.told.append((regarding, reason, note))
        self.heard.set()


async def test_a_refused_deletion_is_told_once_and_waits() -> None:
    server = Server()
    entry = make_entry("a", phase="Succeeded")
    server.writer.delete_later(entry)
    run = asyncio.create_task(server.writer.run(lambda: True))
    async with asyncio.timeout(10):
        await server.heard.wait()
    for _ in range(3):
        # What a sweep says meanwhile changes nothing.
        server.writer.delete_later(entry)
        await asyncio.sleep(0.01)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert (server.deletes, server.isolated.set_aside) == (1, 1)
    assert server.told == [(JOB, "DeleteRefused", WORDS)]


async def test_a_refused_status_is_told() -> None:
    server = Server()
    with pytest.raises(KubeRefused):
        await server.writer.write(make_entry("a"), make_record("a"))
    assert server.told == [(JOB, "StatusRefused", WORDS)]
