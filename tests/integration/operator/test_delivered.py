"""What models say that they delivered, against a real bucket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.s3 import ObjectStore
from imagerift_operator.attempt_codec import output_keys, read_answer, settlement_of
from imagerift_operator.delivered import Deliveries

from tests.support.job_records import make_record

PICTURE = b"pixels"
OUTPUT = {
    "seed": 7,
    "width": 10,
    "height": 8,
    "contentType": "image/png",
    "sizeBytes": len(PICTURE),
    "sha256": "a" * 64,
}
RECORD = make_record(attempt=1, units=2)


def told(*indices: int, **changes: Any) -> dict[str, Any]:
    return {"outputs": [OUTPUT | {"index": index} | changes for index in indices]}


async def put(store: ObjectStore, index: int, *, thumbnail: bool = False) -> None:
    key, beside = output_keys(RECORD, index)
    await store.put(key, PICTURE, content_type="image/png")
    if thumbnail:
        await store.put(beside, PICTURE, content_type="image/webp")


async def confirmed(store: ObjectStore, answer: dict[str, Any]) -> tuple[list[int], str | None]:
    """The indices that are charged, and the error of the attempt."""
    found = await Deliveries(store).confirmed(RECORD, read_answer(answer))
    ended = settlement_of(RECORD, "me", found)
    return [output.index for output in ended.outputs], found.error.code if found.error else None


async def test_what_the_bucket_holds_was_delivered(store: ObjectStore) -> None:
    await put(store, 0)
    await put(store, 1)
    assert await confirmed(store, told(0, 1)) == ([0, 1], None)


async def test_what_it_does_not_hold_is_not_charged(store: ObjectStore) -> None:
    await store.delete(output_keys(RECORD, 1))
    await put(store, 0)
    assert await confirmed(store, told(0, 1)) == ([0], None)


async def test_a_model_that_put_nothing_there_has_failed(store: ObjectStore) -> None:
    for index in (0, 1):
        await store.delete(output_keys(RECORD, index))
    assert await confirmed(store, told(0, 1)) == ([], "model_error")


async def test_a_picture_of_another_size_is_not_the_one_that_it_tells_of(
    store: ObjectStore,
) -> None:
    await put(store, 0)
    assert await confirmed(store, told(0, sizeBytes=7)) == ([], "model_error")


async def test_an_output_without_its_thumbnail_is_delivered_without_it(
    store: ObjectStore,
) -> None:
    await store.delete(output_keys(RECORD, 0))
    await put(store, 0)
    await store.delete([output_keys(RECORD, 0)[1]])
    found = await Deliveries(store).confirmed(RECORD, read_answer(told(0, thumbnail=True)))
    assert [output.thumbnail for output in found.outputs] == [False]
    await put(store, 0, thumbnail=True)
    found = await Deliveries(store).confirmed(RECORD, read_answer(told(0, thumbnail=True)))
    assert [output.thumbnail for output in found.outputs] == [True]


async def test_while_the_bucket_is_away_nothing_is_decided(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, 0)
    asked = asyncio.Event()
    real = store.size_of

    async def away(_key: str) -> int | None:
        asked.set()
        raise CapacityUnavailable("The object store does not answer.")

    monkeypatch.setattr(store, "size_of", away)
    task = asyncio.create_task(confirmed(store, told(0)))
    await asked.wait()
    assert not task.done()
    monkeypatch.setattr(store, "size_of", real)
    assert await task == ([0], None)
