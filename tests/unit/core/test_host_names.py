"""Host names that customers chose: no name server, however slow, holds anything up."""

from __future__ import annotations

import asyncio
import time

import pytest
from imagerift_core import host_names
from imagerift_core.egress import Egress
from imagerift_core.errors import InvalidRequest
from imagerift_core.host_names import (
    LOOK_UPS_AT_ONCE,
    HostNames,
    NameInDoubt,
    NameUnknown,
)

from tests.support.name_server import NameServer


async def until_asked(names: NameServer, count: int) -> None:
    end = time.monotonic() + 60
    while len(set(names.asked)) < count:
        assert time.monotonic() < end, names.asked
        await asyncio.sleep(0.01)


async def test_a_dead_name_server_holds_no_thread_and_no_other_workspace(
    names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_REQUEST_SECONDS", "_REQUEST_ANSWER_SECONDS"):
        monkeypatch.setattr(host_names, name, 600)
    names.silent = True
    egress = Egress(refused_networks=())
    batch = [
        asyncio.create_task(
            egress.check(f"https://host-{n}.example/", param="webhookUrl", workspace="ws_slow")
        )
        for n in range(100)
    ]
    await until_asked(names, LOOK_UPS_AT_ONCE)
    others = asyncio.create_task(egress.check("https://a.b/", param="url", workspace="ws_other"))
    await until_asked(names, LOOK_UPS_AT_ONCE + 1)
    # The threads of the process are all free, and a workspace has a few names asked for at once.
    await asyncio.gather(*(asyncio.to_thread(int) for _ in range(100)))
    assert not any(task.done() for task in batch)
    assert len(set(names.asked)) == LOOK_UPS_AT_ONCE + 1

    for task in (*batch, others):
        task.cancel()
    await asyncio.gather(*batch, others, return_exceptions=True)


async def test_a_request_waits_a_while_for_its_names_and_takes_them_in_doubt(
    names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for others of its workspace, too; whatever is sent there looks again."""
    monkeypatch.setattr(host_names, "_REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(host_names, "_REQUEST_ANSWER_SECONDS", 0.2)
    names.silent = True
    egress = Egress(refused_networks=())
    urls = [f"https://host-{n}.example/" for n in range(100)]
    taken = await asyncio.gather(
        *(egress.check(url, param="webhookUrl", workspace="ws_1") for url in urls)
    )
    assert [str(url) for url in taken] == urls
    assert len(set(names.asked)) <= 3 * LOOK_UPS_AT_ONCE


async def test_a_dead_name_server_ends_a_deliverys_look_up(
    names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_names, "_DELIVERY_SECONDS", 0.2)
    names.silent = True
    with pytest.raises(NameInDoubt):
        await HostNames().addresses("hook.example")


async def test_a_name_that_just_failed_is_not_asked_for_again_by_requests(
    names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_names, "_REQUEST_ANSWER_SECONDS", 0.1)
    egress, hosts = Egress(refused_networks=()), HostNames()
    monkeypatch.setattr(egress, "_names", hosts)
    for _ in range(3):
        with pytest.raises(InvalidRequest):
            await egress.check("https://nothing.example/", param="url", workspace="ws_1")
    names.silent = True
    for _ in range(3):
        await egress.check("https://silent.example/", param="url", workspace="ws_1")
    assert names.asked == ["nothing.example.", "silent.example."]

    # A delivery asks whatever was said before.
    names.silent = False
    names.says("silent.example.", "1.1.1.1 2606:4700:4700::1111")
    assert await hosts.addresses("silent.example") == ["1.1.1.1", "2606:4700:4700::1111"]
    assert names.asked == ["silent.example."]


@pytest.mark.parametrize("host", ["nothing.example", "no-address.example", "x" * 64, "a..b", "ü"])
async def test_what_is_no_name_or_has_no_address_is_unknown(host: str, names: NameServer) -> None:
    names.says("no-address.example.")
    with pytest.raises(NameUnknown):
        await HostNames().addresses(host)
