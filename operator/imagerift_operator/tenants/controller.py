"""Follows the resources of tenants; the leader makes what they stand for as they say."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any, Protocol

import structlog
from imagerift_core.errors import DomainError
from imagerift_core.isolation import Isolation
from imagerift_core.kube_tenants import TenantCalls
from imagerift_core.tenant_resources import (
    API_KEYS,
    FINALIZER,
    MODES,
    PLANS,
    WEBHOOKS,
    WORKSPACES,
)

from imagerift_operator.leadership import Leadership
from imagerift_operator.refusals import AWAY
from imagerift_operator.tenants.objects import (
    Body,
    TenantObjects,
    finalizers_of,
    is_going,
    is_held,
    uid_of,
)
from imagerift_operator.tenants.status import Outcome, refused, status_of

log = structlog.get_logger(__name__)

# What waits for something is looked at again after so long.
LOOK_AGAIN_SECONDS = 5.0
# And all: nobody tells of what is changed elsewhere.
LOOK_AT_ALL_SECONDS = 30.0
# What is named by others before those: plans by workspaces, workspaces by keys and webhooks.
_ORDER = (PLANS, MODES, WORKSPACES, API_KEYS, WEBHOOKS)
_NAMED = (PLANS, WORKSPACES)


class Keeper(Protocol):
    """What knows one kind of resource."""

    async def keep(self, body: Body) -> Outcome:
        """Makes what the resource stands for as it says, and tells how it is.

        Raises `DomainError` where a rule refuses that, or a server is away.
        """

    async def let_go(self, body: Body) -> Outcome | None:
        """Ends what the deleted resource stands for; None once it may go."""


class TenantController:
    """Every process follows the resources, so that a new leader knows them; the leader acts."""

    def __init__(
        self,
        keepers: dict[str, Keeper],
        objects: TenantObjects,
        kube: TenantCalls,
        leadership: Leadership,
        isolated: Isolation,
    ) -> None:
        self._keepers = keepers
        self._objects = objects
        self._kube = kube
        self._leadership = leadership
        self._isolated = isolated
        # What was told of, and what has to be looked at again though nobody tells.
        self._due: set[str] = set()
        self._open: set[str] = set()
        self._changed = asyncio.Event()
        leadership.on_lead(self.look_at_all)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The plurals of what is followed."""
        return _ORDER

    def observe(self, kind: str | None, plural: str, body: dict[str, Any]) -> None:
        """Takes what the watch tells of an object; `kind` is that of the event."""
        if kind == "DELETED":
            self._objects.drop(uid_of(body))
            self._open.discard(uid_of(body))
        else:
            self._objects.put(plural, body)
            self._due.add(uid_of(body))
        self._changed.set()

    def look_at_all(self) -> None:
        """Has everything looked at: what is elsewhere may have changed."""
        for plural in _ORDER:
            self._due |= self._objects.uids(plural)
        self._changed.set()

    async def run(self) -> None:
        """Acts until canceled."""
        again_at = all_at = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
            at = time.monotonic()
            if at >= again_at:
                self._due |= self._open
                again_at = at + LOOK_AGAIN_SECONDS
            if at >= all_at:
                self.look_at_all()
                all_at = at + LOOK_AT_ALL_SECONDS
            if self._leadership.leading:
                await self.look_at_due()

    async def look_at_due(self) -> None:
        """Looks once at what is due, what others name first."""
        due, self._due = self._due, set()
        if any(due & self._objects.uids(plural) for plural in _NAMED):
            # Others may wait for one.
            due |= self._open
        self._open |= due
        for plural in _ORDER:
            uids = sorted(due & self._objects.uids(plural))
            try:
                await self._isolated.each(uids, self._look_at, id_of=str)
            except AWAY as error:
                log.warning("tenants_put_off", error=type(error).__name__)

    async def _look_at(self, uid: str) -> None:
        known = self._objects.get(uid)
        if known is None:
            self._open.discard(uid)
        if known is None or not self._leadership.leading:
            return
        plural, body = known
        keeper = self._keepers[plural]
        if is_going(body):
            await self._let_go(keeper, plural, body)
            return
        if not is_held(body):
            held = await self._kube.set_finalizers(plural, body, [*finalizers_of(body), FINALIZER])
            if held is None:
                # What has changed meanwhile is told by the watch.
                return
            self._keep_seen(plural, body, held)
            body = held
        try:
            outcome = await keeper.keep(body)
        except DomainError as error:
            if error.retryable:
                raise
            outcome = refused(error)
        await self._say(plural, body, outcome)

    async def _let_go(self, keeper: Keeper, plural: str, body: Body) -> None:
        if not is_held(body):
            self._open.discard(uid_of(body))
            return
        outcome = await keeper.let_go(body)
        if outcome is not None:
            await self._say(plural, body, outcome)
            return
        rest = [name for name in finalizers_of(body) if name != FINALIZER]
        if await self._kube.set_finalizers(plural, body, rest) is not None:
            self._open.discard(uid_of(body))

    async def _say(self, plural: str, body: Body, outcome: Outcome) -> None:
        status = status_of(body, outcome)
        if status is not None:
            written = await self._kube.write_status(plural, body, status)
            if written is not None:
                self._keep_seen(plural, body, written)
        if outcome.settled:
            self._open.discard(uid_of(body))

    def _keep_seen(self, plural: str, before: Body, after: Body) -> None:
        """Takes what a write has answered, unless the watch has told of something newer."""
        known = self._objects.get(uid_of(before))
        if known is not None and known[1] is before:
            self._objects.put(plural, after)
