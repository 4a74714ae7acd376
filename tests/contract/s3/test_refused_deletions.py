"""A store that refuses to delete one object keeps none of the others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from imagerift_core.errors import ObjectsRefused
from imagerift_core.s3 import ObjectStore, open_store

from tests.contract.s3.conftest import settings_for
from tests.support.refusing_store import RefusingStore, refusing_store
from tests.support.server_processes import S3Address


@pytest.fixture
async def behind(
    s3_address: S3Address, bucket: str
) -> AsyncIterator[tuple[RefusingStore, ObjectStore]]:
    """A store that can be made to refuse, and the way through it."""
    async with (
        refusing_store(s3_address) as (refusing, address),
        open_store(settings_for(address, bucket)) as store,
    ):
        yield refusing, store


@pytest.mark.parametrize("held", range(5))
async def test_whichever_is_held_the_others_are_deleted(
    store: ObjectStore, prefix: str, behind: tuple[RefusingStore, ObjectStore], held: int
) -> None:
    refusing, through = behind
    keys = [f"{prefix}{number}" for number in range(5)]
    for key in keys:
        await store.put(key, b"bytes", content_type="image/png")
    refusing.held = {keys[held]}
    with pytest.raises(ObjectsRefused) as refusal:
        await through.delete_prefix(prefix)
    assert set(refusal.value.keys) == {keys[held]}
    assert "held by a test" in refusal.value.words
    assert [item.key async for item in store.list_objects(prefix)] == [keys[held]]
    refusing.held = set()
    await through.delete_prefix(prefix)
    assert [item.key async for item in store.list_objects(prefix)] == []
