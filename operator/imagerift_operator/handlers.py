"""Kopf's handlers: each hands what it got to the part that acts on it.

They are event handlers, of pools as of jobs. Kopf's timers and deletion handlers put a finalizer
on each object, so that none could be deleted while no operator runs, as when all is uninstalled;
and its handlers of changes keep the state that they compare with in the object, which standbys
share, so that of each change but one process would hear. Every process has to follow the pools and
weights, and none has the right to write to pools. Weights get a finalizer of the leader's own, and
only while something names them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kopf
from imagerift_core.proxies import proxy_to
from imagerift_core.resources import GROUP, JOBS, POOLS, VERSION, WEIGHTS

from imagerift_operator.context import OperatorContext
from imagerift_operator.kopf_storage import NoComparison, NoProgress


def register(registry: kopf.OperatorRegistry, context: OperatorContext) -> None:
    """Registers every handler on `registry`."""

    @kopf.on.event(GROUP, VERSION, JOBS, registry=registry)
    async def job_event(type: str | None, body: kopf.Body, **_: Any) -> None:
        context.job_watch.observe(type, dict(body))

    @kopf.on.event(GROUP, VERSION, POOLS, registry=registry)
    async def pool_event(type: str | None, body: kopf.Body, **_: Any) -> None:
        if type == "DELETED":
            await context.pools.remove(body["metadata"]["name"], body["metadata"]["uid"])
        else:
            await context.pools.observe(dict(body))

    @kopf.on.event(GROUP, VERSION, WEIGHTS, registry=registry)
    async def weights_event(type: str | None, body: kopf.Body, **_: Any) -> None:
        context.weights.observe(type, dict(body))

    tenants = context.tenants
    if tenants is not None:
        for plural in tenants.kinds:

            @kopf.on.event(
                GROUP, VERSION, plural, registry=registry, id=f"{plural}_event", param=plural
            )
            async def tenant_event(
                type: str | None, body: kopf.Body, param: Any = None, **_: Any
            ) -> None:
                tenants.observe(type, param, dict(body))

    @kopf.on.probe(id="leading", registry=registry)
    async def leading(**_: Any) -> bool:
        return context.leadership.leading

    @kopf.on.probe(id="loops", registry=registry)
    async def loops(**_: Any) -> str:
        dying = context.loops.dying
        if dying:
            # For good, as Kopf has it: it would try anything else again, and not answer.
            raise kopf.PermanentError(f"keeps dying: {', '.join(dying)}")
        return "alive"

    @kopf.on.login(registry=registry)
    async def login_to_kubernetes(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return login(**kwargs)

    @kopf.on.startup(registry=registry)
    async def startup(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)


def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """Credentials for Kopf's watches, None where there are none; the proxy is our own calls'."""
    found = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
    if found is None:
        return None
    return replace(found, proxy_url=found.proxy_url or proxy_to(found.server))


def configure(settings: kopf.OperatorSettings) -> None:
    """Kopf's settings for many small objects: events only, no writes of its own."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = NoComparison()
    settings.persistence.progress_storage = NoProgress()
    # Handlers only hand objects on, so a worker has nothing to finish.
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 0.2
    # A streamed list that breaks off is not begun anew: what had not come yet would never be seen.
    settings.watching.initial_streaming = False
    settings.watching.server_timeout = 300
    settings.watching.connect_timeout = 10
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 30
    # Wait for an API server that is away, however long.
    settings.networking.error_backoffs = [0.2, 0.5, 1, 2, *([3] * 100_000)]
