"""One leader a shard, by a Kubernetes Lease.

The client library's own election is not used: it writes local time as UTC and keeps believing
in its lease while a renewing call hangs. Here the lease is held only for as long as its
duration lasts from the moment *before* the last successful write was sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from imagerift_core.kube import Kube, KubeUnavailable
from imagerift_core.kube_calls import KubeRefused, words_of
from kubernetes.aio import client

log = structlog.get_logger(__name__)


class Leadership:
    """Whether this process may dispatch, and the loop that keeps it so.

    Expiry of another holder's lease is judged by our own monotonic clock, from the moment we
    first saw its present state, so that clocks of different machines need not agree.
    """

    def __init__(
        self,
        kube: Kube,
        *,
        name: str,
        identity: str,
        lease_seconds: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._name = name
        self.identity = identity
        self._lease_seconds = lease_seconds
        self._on_lead: list[Callable[[], None]] = []
        self._monotonic = monotonic
        self._held_until = 0.0
        self._announced = False
        self._seen: tuple[str | None, str] | None = None
        self._seen_at = 0.0
        self._resigned = False
        self._writing = asyncio.Lock()

    @property
    def leading(self) -> bool:
        """True while the lease is certainly ours."""
        return self._monotonic() < self._held_until

    def on_lead(self, begin: Callable[[], None]) -> None:
        """Has `begin` called each time this process becomes the leader."""
        self._on_lead.append(begin)

    async def run(self) -> None:
        """Acquires and renews the lease until canceled or released."""
        pause = self._lease_seconds / 4
        while not self._resigned:
            try:
                async with asyncio.timeout(self._lease_seconds / 2):
                    await self._acquire_or_renew()
            except (KubeUnavailable, TimeoutError) as error:
                log.warning("lease_unreachable", error=str(error))
            except KubeRefused as error:
                # Whoever leads goes on until the lease has run out, and asks again.
                log.warning("lease_refused", status=error.status, words=words_of(error))
            self._announce()
            await asyncio.sleep(pause)

    async def release(self) -> None:
        """Releases the lease, so that a standby leads at once; this process never leads again."""
        self._resigned = True
        async with self._writing:
            await self._let_go()

    async def _let_go(self) -> None:
        if not self.leading:
            return
        self._held_until = 0.0
        self._announce()
        try:
            lease = await self._kube.get_lease(self._name)
            if lease is not None and lease.spec.holder_identity == self.identity:
                lease.spec.holder_identity = ""
                await self._kube.replace_lease(lease)
        except (KubeUnavailable, KubeRefused):
            log.warning("lease_not_released")

    async def _acquire_or_renew(self) -> None:
        async with self._writing:
            if not self._resigned:
                await self._write()

    async def _write(self) -> None:
        sent_at = self._monotonic()
        lease = await self._kube.get_lease(self._name)
        if lease is not None and lease.spec is None:
            # Somebody has emptied it.
            lease.spec = client.V1LeaseSpec()
        if lease is None:
            written = await self._kube.create_lease(self._new_lease())
        elif self._may_take(lease):
            self._fill(lease)
            written = await self._kube.replace_lease(lease)
        else:
            written = None
        if written is not None:
            self._held_until = sent_at + self._lease_seconds
        elif lease is not None and lease.spec.holder_identity not in {self.identity, "", None}:
            self._held_until = 0.0

    def _may_take(self, lease: Any) -> bool:
        holder = lease.spec.holder_identity or None
        if holder in {None, self.identity}:
            return True
        state = (holder, lease.metadata.resource_version)
        if state != self._seen:
            self._seen = state
            self._seen_at = self._monotonic()
        duration = lease.spec.lease_duration_seconds or self._lease_seconds
        return self._monotonic() - self._seen_at > duration

    def _new_lease(self) -> Any:
        lease = client.V1Lease(
            metadata=client.V1ObjectMeta(name=self._name), spec=client.V1LeaseSpec()
        )
        self._fill(lease)
        return lease

    def _fill(self, lease: Any) -> None:
        moment = datetime.now(UTC)
        if lease.spec.holder_identity != self.identity:
            lease.spec.acquire_time = moment
            lease.spec.lease_transitions = (lease.spec.lease_transitions or 0) + 1
        lease.spec.holder_identity = self.identity
        lease.spec.lease_duration_seconds = self._lease_seconds
        lease.spec.renew_time = moment

    def _announce(self) -> None:
        if self.leading != self._announced:
            self._announced = self.leading
            log.info("leadership", leading=self._announced, identity=self.identity)
            if self._announced:
                for begin in self._on_lead:
                    begin()
