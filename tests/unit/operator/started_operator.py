"""An operator's parts, made and wired by its own code over stand-ins; its loops are not run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import MagicMock

import pytest
from imagerift_core import clock_watch
from imagerift_core.job_pods import JobPods
from imagerift_operator import dependencies
from imagerift_operator.context import OperatorContext
from imagerift_operator.settings import OperatorSettings
from pydantic import SecretStr

from tests.support.named_loops import NamedLoops

SETTINGS = OperatorSettings(
    mongo_url=SecretStr("mongodb://127.0.0.1/"),
    s3_internal_url="http://127.0.0.1:1",
    s3_public_url="http://127.0.0.1:1",
    s3_access_key=SecretStr("k"),
    s3_secret_key=SecretStr("s"),
    tenants=True,
    key_pepper=SecretStr("5e" * 32),
)


@asynccontextmanager
async def _opened(*_: object, **__: object) -> AsyncIterator[Any]:
    yield MagicMock()


async def names_of_an_operator(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of every loop, and of every part that isolates its members."""
    loops = NamedLoops()
    for name in ("connect", "open_store", "connect_kube", "serve_metrics"):
        monkeypatch.setattr(dependencies, name, _opened)
    pods = JobPods(namespace="runners", image="runner:1", max_pods=2)
    monkeypatch.setattr(dependencies, "load_job_pods", lambda _: pods)
    monkeypatch.setattr(dependencies, "Loops", lambda: loops)
    monkeypatch.setattr(clock_watch, "START_SECONDS", 0)
    async with OperatorContext(SETTINGS) as context:
        context.follow()
        return {*loops.started, *context._given.isolations.loops}
