"""The lease: who leads, for how long, and what a stopped leader may believe."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from imagerift_core.kube import KubeUnavailable
from imagerift_core.kube_calls import KubeRefused
from imagerift_operator.leadership import Leadership


class LeaseServer:
    """A lease as an API server keeps it: conditional writes on the resource version."""

    def __init__(self) -> None:
        self.lease: Any = None
        self.away = False
        self.refuses = False

    async def get_lease(self, _: str) -> Any:
        if self.away:
            raise KubeUnavailable("away")
        return copy.deepcopy(self.lease)

    async def create_lease(self, lease: Any) -> Any:
        self._check()
        if self.lease is not None:
            return None
        return self._keep(lease)

    async def replace_lease(self, lease: Any) -> Any:
        self._check()
        if lease.metadata.resource_version != self.lease.metadata.resource_version:
            return None
        return self._keep(lease)

    def _check(self) -> None:
        if self.refuses:
            raise KubeRefused(status=403, reason="Forbidden")

    def _keep(self, lease: Any) -> Any:
        self.lease = copy.deepcopy(lease)
        version = int(lease.metadata.resource_version or 0) + 1
        self.lease.metadata.resource_version = str(version)
        return self.lease


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def candidate(server: LeaseServer, clock: Clock, name: str) -> Leadership:
    return Leadership(
        server,  # type: ignore[arg-type]
        name="lease",
        identity=name,
        lease_seconds=10,
        monotonic=clock,
    )


async def test_one_of_two_candidates_leads_and_keeps_leading_while_it_renews() -> None:
    server, clock = LeaseServer(), Clock()
    first, second = candidate(server, clock, "first"), candidate(server, clock, "second")
    for _ in range(10):
        await first._acquire_or_renew()
        await second._acquire_or_renew()
        assert (first.leading, second.leading) == (True, False)
        clock.seconds += 5


async def test_a_silent_leader_is_replaced_after_its_lease_and_knows_it() -> None:
    server, clock = LeaseServer(), Clock()
    first, second = candidate(server, clock, "first"), candidate(server, clock, "second")
    await first._acquire_or_renew()
    await second._acquire_or_renew()
    clock.seconds += 9.9
    await second._acquire_or_renew()
    assert (first.leading, second.leading) == (True, False)
    clock.seconds += 0.2
    assert not first.leading
    await second._acquire_or_renew()
    assert second.leading
    await first._acquire_or_renew()
    assert (first.leading, second.leading) == (False, True)


async def test_two_leaders_never_overlap_when_both_reach_for_an_expired_lease() -> None:
    server, clock = LeaseServer(), Clock()
    await candidate(server, clock, "dead")._acquire_or_renew()
    first, second = candidate(server, clock, "first"), candidate(server, clock, "second")
    for one in (first, second):
        await one._acquire_or_renew()
    clock.seconds += 10.1
    stale = await server.get_lease("lease")
    await first._acquire_or_renew()
    second._fill(stale)
    assert await server.replace_lease(stale) is None
    assert (first.leading, second.leading) == (True, False)


async def test_while_the_server_is_away_the_lease_runs_out() -> None:
    server, clock = LeaseServer(), Clock()
    leader = candidate(server, clock, "leader")
    await leader._acquire_or_renew()
    server.away = True
    clock.seconds += 10
    with pytest.raises(KubeUnavailable):
        await leader._acquire_or_renew()
    assert not leader.leading


async def test_a_released_lease_is_taken_at_once() -> None:
    server, clock = LeaseServer(), Clock()
    first, second = candidate(server, clock, "first"), candidate(server, clock, "second")
    await first._acquire_or_renew()
    await second._acquire_or_renew()
    await first.release()
    assert not first.leading
    await first._acquire_or_renew()
    await second._acquire_or_renew()
    assert (first.leading, second.leading) == (False, True)


async def test_the_spec_says_who_holds_it_and_how_often_it_changed_hands() -> None:
    server, clock = LeaseServer(), Clock()
    await candidate(server, clock, "first")._acquire_or_renew()
    assert server.lease.spec.holder_identity == "first"
    assert server.lease.spec.lease_transitions == 1


async def test_a_refused_lease_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    server, clock = LeaseServer(), Clock()
    leader = candidate(server, clock, "leader")
    server.refuses = True
    leads: list[bool] = []

    async def pause(_: float) -> None:
        leads.append(leader.leading)
        server.refuses = False
        if leader.leading:
            leader._resigned = True

    monkeypatch.setattr("imagerift_operator.leadership.asyncio.sleep", pause)
    await leader.run()
    assert leads == [False, True]


async def test_a_refusal_does_not_end_a_lead_before_its_time_nor_hold_up_a_release() -> None:
    server, clock = LeaseServer(), Clock()
    leader = candidate(server, clock, "leader")
    await leader._acquire_or_renew()
    server.refuses = True
    clock.seconds += 9
    with pytest.raises(KubeRefused):
        await leader._acquire_or_renew()
    assert leader.leading
    await leader.release()
    assert not leader.leading


async def test_a_lease_that_somebody_emptied_is_taken() -> None:
    server, clock = LeaseServer(), Clock()
    await candidate(server, clock, "gone")._acquire_or_renew()
    server.lease.spec = None
    leader = candidate(server, clock, "leader")
    await leader._acquire_or_renew()
    assert leader.leading
