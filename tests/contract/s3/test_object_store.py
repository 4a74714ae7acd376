"""What the system needs of an S3 server, and what it hands out."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from imagerift_core import s3_signing
from imagerift_core.errors import CapacityUnavailable, PayloadTooLarge
from imagerift_core.s3 import ObjectStore, open_store
from pydantic import SecretStr

from tests.contract.s3.conftest import settings_for
from tests.support.server_processes import S3Address, free_port

BYTES = bytes(range(256)) * 100


async def keys(store: ObjectStore, prefix: str) -> list[str]:
    return [item.key async for item in store.list_objects(prefix)]


async def test_what_is_put_can_be_got(store: ObjectStore, prefix: str) -> None:
    await store.put(prefix + "source", BYTES, content_type="image/png")
    assert await store.get(prefix + "source", max_bytes=len(BYTES)) == BYTES
    (listed,) = [item async for item in store.list_objects(prefix)]
    assert (listed.key, listed.size_bytes) == (prefix + "source", len(BYTES))
    assert abs(datetime.now(UTC) - listed.modified_at) < timedelta(minutes=1)


async def test_a_missing_object_reads_as_none(store: ObjectStore, prefix: str) -> None:
    assert await store.get(prefix + "gone", max_bytes=10) is None


async def test_an_object_over_the_bound_is_not_read(store: ObjectStore, prefix: str) -> None:
    await store.put(prefix + "source", BYTES, content_type="image/png")
    with pytest.raises(PayloadTooLarge):
        await store.get(prefix + "source", max_bytes=len(BYTES) - 1)


async def test_a_put_replaces(store: ObjectStore, prefix: str) -> None:
    for data in (b"first", b"second"):
        await store.put(prefix + "source", data, content_type="image/png")
    assert await store.get(prefix + "source", max_bytes=10) == b"second"


async def test_a_model_server_reads_by_the_internal_address_alone(
    store: ObjectStore, http: aiohttp.ClientSession, prefix: str, s3_address: S3Address
) -> None:
    await store.put(prefix + "source", BYTES, content_type="image/png")
    url = store.presign_get(prefix + "source", seconds=60)
    assert url.startswith(s3_address.internal_url + "/")
    async with http.get(url) as answer:
        assert answer.status == 200
        assert await answer.read() == BYTES
    async with http.get(url.split("?")[0]) as answer:
        assert answer.status == 403


async def test_a_model_server_writes_the_agreed_type_alone(
    store: ObjectStore, http: aiohttp.ClientSession, prefix: str
) -> None:
    url = store.presign_put(prefix + "1/output-0.png", content_type="image/png", seconds=60)
    for wrong in ("text/html", "image/jpeg"):
        async with http.put(url, data=BYTES, headers={"Content-Type": wrong}) as answer:
            assert answer.status == 403
    assert await keys(store, prefix) == []
    async with http.put(url, data=BYTES, headers={"Content-Type": "image/png"}) as answer:
        assert answer.status == 200
    async with http.get(store.presign_get(prefix + "1/output-0.png", seconds=60)) as answer:
        assert answer.content_type == "image/png"
        assert await answer.read() == BYTES


async def test_a_url_is_good_for_its_own_key_and_method(
    store: ObjectStore, http: aiohttp.ClientSession, prefix: str
) -> None:
    for name in ("mine", "yours"):
        await store.put(prefix + name, BYTES, content_type="image/png")
    url = store.presign_get(prefix + "mine", seconds=60)
    async with http.get(url.replace("mine", "yours")) as answer:
        assert answer.status == 403
    async with http.put(url, data=b"x", headers={"Content-Type": "image/png"}) as answer:
        assert answer.status == 403
    async with http.delete(url) as answer:
        assert answer.status == 403
    assert await store.get(prefix + "mine", max_bytes=len(BYTES)) == BYTES


async def test_a_url_ends_with_its_time(
    store: ObjectStore, http: aiohttp.ClientSession, prefix: str
) -> None:
    await store.put(prefix + "source", BYTES, content_type="image/png")
    url = store.presign_get(prefix + "source", seconds=1)
    async with asyncio.timeout(100):
        while True:
            async with http.get(url) as answer:
                if answer.status == 403:
                    return


async def test_a_client_downloads_by_the_public_address(
    store: ObjectStore, http: aiohttp.ClientSession, prefix: str, s3_address: S3Address
) -> None:
    await store.put(prefix + "1/output-0.png", BYTES, content_type="image/png")
    url = store.presign_download(prefix + "1/output-0.png", filename="a-0.png", seconds=600)
    assert url.startswith(s3_address.public_url + "/")
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-Expires"] == ["600"]
    async with http.get(url) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Disposition"] == 'inline; filename="a-0.png"'
        assert answer.content_type == "image/png"
        assert await answer.read() == BYTES


@pytest.mark.parametrize("name", ["a b", "a+b", "ä", "a%2Fb", "a&b=c", "a'b"])
async def test_names_need_no_care(store: ObjectStore, prefix: str, name: str) -> None:
    await store.put(prefix + name, BYTES, content_type="image/png")
    assert await store.get(prefix + name, max_bytes=len(BYTES)) == BYTES
    assert await store.copy(prefix + name, prefix + "copy")
    assert sorted(await keys(store, prefix)) == sorted([prefix + name, prefix + "copy"])
    await store.delete_prefix(prefix)
    assert await keys(store, prefix) == []


async def test_a_copy_is_an_object_of_its_own(store: ObjectStore, prefix: str) -> None:
    await store.put(prefix + "a", BYTES, content_type="image/webp")
    assert await store.copy(prefix + "a", prefix + "b")
    await store.delete([prefix + "a"])
    assert await store.get(prefix + "b", max_bytes=len(BYTES)) == BYTES


async def test_a_copy_of_nothing_is_told(store: ObjectStore, prefix: str) -> None:
    assert not await store.copy(prefix + "gone", prefix + "b")
    assert await keys(store, prefix) == []


async def test_deleting_again_is_no_error(store: ObjectStore, prefix: str) -> None:
    await store.put(prefix + "a", BYTES, content_type="image/png")
    for _ in range(2):
        await store.delete([prefix + "a", prefix + "never"])
        await store.delete_prefix(prefix)
    await store.delete([])
    assert await keys(store, prefix) == []


async def test_a_prefix_is_deleted_and_its_neighbours_stay(store: ObjectStore, prefix: str) -> None:
    mine, neighbour = prefix + "1/", prefix + "10/"
    for folder in (mine, neighbour):
        for number in range(3):
            await store.put(f"{folder}output-{number}", b"x", content_type="image/png")
    await store.delete_prefix(mine)
    assert await keys(store, prefix) == [f"{neighbour}output-{number}" for number in range(3)]


@pytest.mark.parametrize("careless", ["", "/", "workspaces/ws_a"])
async def test_a_careless_prefix_deletes_nothing(
    store: ObjectStore, prefix: str, careless: str
) -> None:
    await store.put(prefix + "a", b"x", content_type="image/png")
    with pytest.raises(ValueError, match="prefix"):
        await store.delete_prefix(careless)
    assert await keys(store, prefix) == [prefix + "a"]


async def test_long_lists_come_whole(
    store: ObjectStore, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{prefix}{number:03}" for number in range(45)]
    await asyncio.gather(*(store.put(name, b"x", content_type="image/png") for name in names))
    short_pages = store._internal.list_objects_v2
    monkeypatch.setattr(
        store._internal,
        "list_objects_v2",
        lambda **arguments: short_pages(MaxKeys=10, **arguments),
    )
    assert await keys(store, prefix) == names
    monkeypatch.setattr("imagerift_core.s3._DELETE_BATCH", 7)
    await store.delete_prefix(prefix)
    assert await keys(store, prefix) == []


async def test_many_puts_at_once_all_arrive(store: ObjectStore, prefix: str) -> None:
    await asyncio.gather(
        *(store.put(f"{prefix}{n}", BYTES, content_type="image/png") for n in range(60))
    )
    assert len(await keys(store, prefix)) == 60


async def test_a_bucket_that_is_there_answers(store: ObjectStore) -> None:
    await store.ping()


def telling(error: BaseException) -> str:
    """All that a log could show of an error."""
    return repr(error) + "".join(traceback.format_exception(error))


CALLS: dict[str, Callable[[ObjectStore], Awaitable[object]]] = {
    "put": lambda store: store.put("k", b"x", content_type="image/png"),
    "get": lambda store: store.get("k", max_bytes=10),
    "copy": lambda store: store.copy("a", "b"),
    "delete": lambda store: store.delete(["k"]),
    "delete_prefix": lambda store: store.delete_prefix("p/"),
    "ping": lambda store: store.ping(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("trouble", ["away", "wrong secret"])
async def test_trouble_is_unavailable_capacity_and_tells_no_signature(
    s3_address: S3Address,
    bucket: str,
    caplog: pytest.LogCaptureFixture,
    call: str,
    trouble: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong: dict[str, dict[str, object]] = {
        "away": {"s3_internal_url": f"http://127.0.0.1:{free_port()}"},
        "wrong secret": {"s3_secret_key": SecretStr("x" * 40)},
    }
    settings = settings_for(s3_address, bucket).model_copy(update=wrong[trouble])
    async with open_store(settings) as store:
        with pytest.raises(CapacityUnavailable) as raised:
            await CALLS[call](store)
    assert raised.value.retryable
    said = telling(raised.value) + caplog.text
    secret_key = (settings.s3_secret_key or SecretStr("")).get_secret_value()
    for secret in ("X-Amz-Signature", "Signature=", secret_key):
        assert secret not in said


async def test_a_bucket_that_is_missing_is_told_at_the_ping(s3_address: S3Address) -> None:
    async with open_store(settings_for(s3_address, "never-made")) as store:
        with pytest.raises(CapacityUnavailable):
            await store.ping()


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_signature_of_another_time_is_refused_as_the_clocks_fault(
    store: ObjectStore, prefix: str, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    await store.put(prefix + "source", b"there", content_type="image/png")
    assert abs(await store.time() - datetime.now(UTC)) < timedelta(seconds=30)
    moment = datetime.now(UTC) + timedelta(hours=hours)
    monkeypatch.setattr(s3_signing, "now", lambda: moment)
    with pytest.raises(CapacityUnavailable, match="clock"):
        await keys(store, prefix)
    if hours < 0:
        # SeaweedFS takes URLs of the future, which Amazon's S3 refuses.
        with pytest.raises(CapacityUnavailable, match="clock"):
            await store.put(prefix + "source", b"then", content_type="image/png")
        with pytest.raises(CapacityUnavailable, match="clock"):
            await store.get(prefix + "source", max_bytes=10)
    # Whose clock it is can be told all the same.
    assert abs(await store.time() - datetime.now(UTC)) < timedelta(seconds=30)
