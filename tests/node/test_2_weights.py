"""Weights as a resource: downloaded from a store and a web server, verified, and waited for."""

from __future__ import annotations

import pytest
import trustme

from tests.node.release import NAMESPACE, Release, picture
from tests.node.spare_pool import POOL, condition, servers, spare_pool
from tests.node.weights import (
    from_host,
    from_store,
    host_of_files,
    put_into_store,
    reason_of,
    store_account,
    wait_ready,
    weights,
)
from tests.platform_under_test import wait_until
from tests.support.weights_hosts import safetensors, sha256

NUMBERS = safetensors(300_000)
FILES = {"model_index.json": b"{}", "unet/model.safetensors": NUMBERS}
FOLDER = "weights/sdxl/"
IN_USE = "imagerift.dev/in-use"
SUMS = "find -L /weights/sdxl -type f -exec sha256sum {} +"


@pytest.mark.usefixtures("authority")
def test_a_pool_waits_for_its_weights_from_a_store_and_has_them(
    release: Release, encoded: str
) -> None:
    node = release.node
    node.transcript.chapter("Weights from a store, and a pool that waits for them")
    put_into_store(release, FOLDER, FILES | {"unet/model.bin": b"\x80\x04."})
    store_account(release, NAMESPACE)
    with spare_pool(release, minReplicas=1, weights=["sdxl"]):
        wait_until(
            lambda: condition(release, "Ready").get("reason") == "WeightsNotReady",
            seconds=60,
            what="the pool says that there are no such weights",
        )
        assert condition(release, "WeightsReady")["status"] == "False"
        node.kubectl("-n", NAMESPACE, "get", "tp,mw")
        assert servers(release) == []
        with weights(release, from_store("sdxl", FOLDER, FILES)):
            status = wait_ready(release, "sdxl")
            size = sum(map(len, FILES.values()))
            assert (status["files"], status["bytes"], status["licence"]) == (2, size, "MIT")
            node.kubectl(
                *("-n", NAMESPACE, "wait", f"tp/{POOL}", "--for=condition=Ready"),
                "--timeout=240s",
            )
            node.kubectl("-n", NAMESPACE, "get", "tp,mw")
            [server] = servers(release)
            name = server["metadata"]["name"]
            printed = node.kubectl("-n", NAMESPACE, "exec", name, "--", "sh", "-c", SUMS)
            found = {path: total for total, path in map(str.split, printed.splitlines())}
            told = {f"/weights/sdxl/{path}": sha256(content) for path, content in FILES.items()}
            assert found == told
            [job] = release.ended([release.submit(encoded, "beside weights", mode="enhance")])
            assert job["status"] == "succeeded", job
            assert picture(job["downloadUrl"]).width > 0
            # What a pool names stays until it names it no more.
            node.kubectl("-n", NAMESPACE, "delete", "mw", "sdxl", "--wait=false")
            held = node.get("-n", NAMESPACE, "mw", "sdxl")
            assert (held["status"]["pools"], held["metadata"]["finalizers"]) == ([POOL], [IN_USE])
            node.kubectl("-n", NAMESPACE, "delete", "tp", POOL)


def test_a_connection_that_is_cut_is_taken_up_where_it_was(
    release: Release, authority: trustme.CA
) -> None:
    node = release.node
    node.transcript.chapter("Weights from a web server whose connections break off")
    with host_of_files(release, authority, {"/model.safetensors": NUMBERS}) as host:
        host.cuts = [100_000, 100_000]
        with weights(release, from_host("cut", host.url, {"model.safetensors": NUMBERS})):
            assert wait_ready(release, "cut")["bytes"] == len(NUMBERS)
            first, *others = [asked for _, asked, _ in host.seen]
            starts = [int(str(one).removeprefix("bytes=").removesuffix("-")) for one in others]
            # Each went on where the one before it broke off, but for what was still on its way.
            assert first is None
            assert 0 < starts[0] <= 100_000
            assert starts[0] < starts[1] <= starts[0] + 100_000
            assert len(starts) == 2


def test_another_checksum_is_refused_and_nothing_is_ready(
    release: Release, authority: trustme.CA
) -> None:
    node = release.node
    node.transcript.chapter("Weights whose checksum is another one")
    there = {f"/{path}": content for path, content in FILES.items()}
    with host_of_files(release, authority, there) as host:
        told = FILES | {"unet/model.safetensors": NUMBERS[:-1] + b"\0"}
        with weights(release, from_host("wrong", host.url, told)):
            wait_until(
                lambda: reason_of(release, "wrong") == "ChecksumMismatch",
                seconds=120,
                what="the checksum is told to be another one",
            )
            node.kubectl("-n", NAMESPACE, "get", "mw", "wrong")
            printed = node.kubectl("-n", NAMESPACE, "describe", "mw", "wrong")
            assert "unet/model.safetensors" in printed
            assert "digest" not in node.get("-n", NAMESPACE, "mw", "wrong")["status"]
