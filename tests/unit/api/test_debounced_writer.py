"""Values are kept until they are written; what the store refuses of them hinders nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from imagerift_api.debounced_writer import DebouncedWriter
from imagerift_core.errors import CapacityUnavailable

KEYS = ["a", "b", "c"]


class Store:
    def __init__(self) -> None:
        self.away = False
        self.bad: str | None = None
        self.written: dict[str, int] = {}
        self.writer = DebouncedWriter("values", self.write, seconds=0)

    async def write(self, values: Mapping[str, int]) -> None:
        assert values
        if self.away:
            raise CapacityUnavailable("The job store does not answer.")
        if self.bad in values:
            raise ValueError("refused")
        self.written |= values


async def test_the_last_value_of_each_key_is_written_once() -> None:
    store = Store()
    for value, key in enumerate([*KEYS, "a"]):
        store.writer.record(key, value)
    await store.writer.flush()
    assert store.written == {"a": 3, "b": 1, "c": 2}
    store.written.clear()
    await store.writer.flush()
    assert store.written == {}


async def test_what_was_not_written_is_kept_and_newer_values_win() -> None:
    store = Store()
    store.away = True
    store.writer.record("a", 1)
    store.writer.record("b", 1)
    await store.writer.flush()
    store.writer.record("a", 2)
    store.away = False
    await store.writer.flush()
    assert store.written == {"a": 2, "b": 1}


@pytest.mark.parametrize("bad", KEYS)
async def test_one_that_the_store_refuses_keeps_no_other_from_being_written(bad: str) -> None:
    store = Store()
    store.bad = bad
    for key in KEYS:
        store.writer.record(key, 1)
    await store.writer.flush()
    assert set(store.written) == set(KEYS) - {bad}
