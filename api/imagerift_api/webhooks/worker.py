"""Sends what the outbox holds. Every replica runs one; leases keep them apart."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import AsyncExitStack, suppress
from datetime import datetime

import aiohttp
import structlog
from imagerift_core import clock
from imagerift_core.egress import Egress, GuardedResolver, HostRefused, UrlRefused
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.mongo.account_log import Actor
from imagerift_core.mongo.deliveries import Delivery, DeliveryState, Try
from imagerift_core.mongo.delivery_queue import DeliveryQueue
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.webhooks import WebhookStore
from imagerift_core.sealing import SealBroken
from imagerift_core.stored import Unreadable
from imagerift_core.webhook_secrets import WebhookSecrets
from imagerift_core.webhooks import JOB_TARGET, pause_after
from standardwebhooks.webhooks import Webhook as Signer

from imagerift_api.metrics import Metrics
from imagerift_api.webhooks.messages import message

TRY_SECONDS = 15
_POLL_SECONDS = 0.5
_GATHER_SECONDS = 0.05
# Of this replica. Far more than one workspace may have under way, so that one of which nothing is
# finds a place soon.
_AT_ONCE = 64
_LEASED_AT_ONCE = 16
_GONE = 410
_SUCCESS = range(200, 300)
_DELIVERY = Actor(kind="operator", id="imagerift-webhooks", name="webhook delivery")
_log = structlog.get_logger()


class WebhookWorker:
    """Leases due deliveries, tries them, and writes down how it went."""

    def __init__(
        self,
        *,
        queue: DeliveryQueue,
        webhooks: WebhookStore,
        jobs: JobStore,
        webhook_secrets: WebhookSecrets,
        egress: Egress,
        metrics: Metrics,
    ) -> None:
        self._queue = queue
        self._webhooks = webhooks
        self._jobs = jobs
        self._secrets = webhook_secrets
        self._egress = egress
        self._metrics = metrics
        self._freed = asyncio.Event()
        self._running: dict[asyncio.Task[None], Delivery] = {}

    async def run(self) -> None:
        """Works until canceled; tries under way are then given up, for others to make."""
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(self._client())
            stack.push_async_callback(self._give_up)
            while True:
                self._freed.clear()
                leased = await self._lease(_AT_ONCE - len(self._running))
                for delivery in leased:
                    task = asyncio.create_task(self._deliver(http, delivery))
                    self._running[task] = delivery
                    task.add_done_callback(self._ended)
                if not leased:
                    await self._until_freed()

    async def _until_freed(self) -> None:
        """Returns soon after a try has ended, which may make room for what waits, or after a
        while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                await self._freed.wait()
                # So that many short tries do not ask for the next one each.
                await asyncio.sleep(_GATHER_SECONDS)

    def _client(self) -> aiohttp.ClientSession:
        # One connection a try: none is kept that was vetted for an earlier one.
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(self._egress), use_dns_cache=False, force_close=True
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TRY_SECONDS),
            trust_env=False,
            auto_decompress=False,
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._freed.set()
        if not task.cancelled() and task.exception() is not None:
            _log.warning("webhook_delivery_not_noted", exc_info=task.exception())

    async def _give_up(self) -> None:
        given_up = dict(self._running)
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        if given_up:
            # Else their leases would keep places of their workspaces until they end.
            with suppress(CapacityUnavailable):
                await self._queue.release(list(given_up.values()))

    async def _lease(self, places: int) -> list[Delivery]:
        if not places:
            return []
        try:
            leased = await self._queue.lease(
                holder=secrets.token_hex(8), at=clock.now(), limit=min(places, _LEASED_AT_ONCE)
            )
        except CapacityUnavailable:
            return []
        except Exception as error:  # noqa: BLE001 - the worker must outlive whatever this is
            _log.error("webhook_lease_failed", exc_info=error)
            return []
        if leased.put_off:
            self._metrics.webhooks_put_off(leased.put_off)
            _log.info("webhooks_put_off", count=leased.put_off)
        return leased.deliveries

    async def _deliver(self, http: aiohttp.ClientSession, delivery: Delivery) -> None:
        try:
            await self._send(http, delivery)
        except CapacityUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - it counts as a try: others have their turn
            _log.error("webhook_broke", delivery=delivery.id, exc_info=error)
            await self._record(delivery, _failed("internal_error"))

    async def _send(self, http: aiohttp.ClientSession, delivery: Delivery) -> None:
        try:
            secret = await self._secret_of(delivery)
        except SealBroken:
            secret = None
        if secret is None:
            await self._record(delivery, _failed("no_secret"), final=True)
            return
        try:
            record = await self._jobs.get(delivery.job, workspace=delivery.workspace)
        except Unreadable:
            # A replica of another version may be the next to try.
            await self._record(delivery, _failed("job_unreadable"))
            return
        result = await self._try(http, delivery, secret, message(delivery, record))
        if result.status == _GONE and delivery.target != JOB_TARGET:
            await self._webhooks.disable(
                delivery.target, reason="gone", actor=_DELIVERY, at=result.at
            )
        final = result.status == _GONE or result.error == "refused"
        await self._record(delivery, result, final=final)

    async def _secret_of(self, delivery: Delivery) -> str | None:
        """None where the webhook was deleted or turned off."""
        if delivery.target == JOB_TARGET:
            fresh = self._secrets.seal(self._secrets.make(), delivery.workspace)
            sealed = await self._webhooks.workspace_secret(delivery.workspace, fresh)
            return self._secrets.open(sealed, delivery.workspace)
        webhook = await self._webhooks.get(delivery.target)
        if webhook is None or webhook.disabled_at is not None:
            return None
        return self._secrets.open(webhook.secret, webhook.id)

    async def _try(
        self, http: aiohttp.ClientSession, delivery: Delivery, secret: str, body: bytes
    ) -> Try:
        at = clock.now()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "ImageRift-Webhooks",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Signer(secret).sign(delivery.id, at, body.decode()),
        }
        started = time.perf_counter()
        status, error = None, None
        try:
            url = self._egress.parse(delivery.url)
            async with http.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                status = answer.status
        except HostRefused as refused:
            # As a name that does not exist: the log must not tell which names there are inside.
            error = "name_not_resolved"
            _log.warning("webhook_refused", delivery=delivery.id, reason=refused.cause)
        except UrlRefused as refused:
            error = "refused"
            _log.warning("webhook_refused", delivery=delivery.id, reason=refused.reason)
        except TimeoutError:
            error = "timeout"
        except aiohttp.ClientConnectorDNSError:
            error = "name_not_resolved"
        except aiohttp.ClientSSLError:
            error = "tls_failed"
        except (aiohttp.ClientError, OSError, ValueError):
            error = "connection_failed"
        latency = round((time.perf_counter() - started) * 1000)
        return Try(at=at, status=status, latency_ms=latency, error=error)

    async def _record(self, delivery: Delivery, result: Try, *, final: bool = False) -> None:
        state: DeliveryState = "pending"
        next_at: datetime | None = None
        if result.status in _SUCCESS:
            state = "delivered"
        else:
            next_at = None if final else _next_try(delivery)
            state = "failed" if next_at is None else "pending"
        await self._queue.record_try(delivery, result, state=state, next_at=next_at)
        self._metrics.webhook_tried(_outcome(result))
        _log.info(
            "webhook_tried",
            delivery=delivery.id,
            workspace=delivery.workspace,
            status=result.status,
            error=result.error,
            ms=result.latency_ms,
            state=state,
        )


def _failed(error: str) -> Try:
    return Try(at=clock.now(), status=None, latency_ms=0, error=error)


def _next_try(delivery: Delivery) -> datetime | None:
    """None after the last one of the schedule, or where being put off has taken its time."""
    pause = pause_after(delivery.tries + 1)
    if pause is None:
        return None
    next_at = clock.now() + pause
    is_late = delivery.give_up_at is not None and next_at > delivery.give_up_at
    return None if is_late else next_at


def _outcome(result: Try) -> str:
    if result.status is None:
        return result.error or "connection_failed"
    return "delivered" if result.status in _SUCCESS else "rejected"
