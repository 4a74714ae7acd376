"""Events on a real API server: there, counted, and once where they have a name of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from imagerift_core.kube import Kube
from imagerift_core.kube_events import Regarding
from kubernetes.aio import client

from tests.contract.kube.bodies import new_name

AT = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


async def tell(kube: Kube, name: str, note: str = "words") -> bool:
    pool = Regarding("TritonPool", "l4", f"uid-of-{name}")
    return await kube.events.create(
        name,
        pool,
        kind="Warning",
        reason="ImagePullBackOff",
        note=note,
        reporter="host-1-abc",
        at=AT,
    )


async def test_an_event_is_what_describe_looks_for(
    kube: Kube, administrator: client.ApiClient
) -> None:
    name = new_name()
    assert await tell(kube, name, "w" * 2000)
    core = client.CoreV1Api(administrator)
    selector = f"involvedObject.uid=uid-of-{name},involvedObject.kind=TritonPool"
    listed = await core.list_namespaced_event(kube.namespace, field_selector=selector)
    (event,) = listed.items
    assert (event.type, event.reason, event.message) == ("Warning", "ImagePullBackOff", "w" * 1024)
    assert event.event_time == AT


async def test_one_of_the_same_name_is_there_once(kube: Kube) -> None:
    name = new_name()
    assert [await tell(kube, name), await tell(kube, name)] == [True, False]


async def test_what_happens_again_counts(kube: Kube, administrator: client.ApiClient) -> None:
    name = new_name()
    await tell(kube, name)
    for count in (2, 5):
        at = AT + timedelta(minutes=count)
        assert await kube.events.repeat(name, count=count, note="again", at=at)
    event = await client.EventsV1Api(administrator).read_namespaced_event(name, kube.namespace)
    assert (event.series.count, event.note) == (5, "again")
    assert event.series.last_observed_time == AT + timedelta(minutes=5)
    assert not await kube.events.repeat(new_name(), count=2, note="gone", at=AT)
