"""What a soak calls flat, and what it does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.soak.figures import bound_of
from bench.soak.verdict import Bound, Sample, table, trend


def sampled(value: Callable[[int], float], name: str = "api: MiB") -> list[Sample]:
    """An hour of samples, with ten jobs ended a minute."""
    return [Sample(60.0 * n, 10 * n, {name: value(n)}) for n in range(61)]


def test_what_rises_only_while_it_begins_is_flat() -> None:
    found = trend("api: MiB", sampled(lambda n: 100 + min(n, 18) * 10), bound_of("api: MiB"))
    assert found.flat
    assert (found.first, found.last) == (100, 280)
    assert found.rise == pytest.approx(0, abs=1e-9)


def test_a_leak_is_not_flat_however_slow() -> None:
    found = trend("api: MiB", sampled(lambda n: 100 + n), bound_of("api: MiB"))
    assert not found.flat
    assert found.rise == pytest.approx(40)
    assert found.per_job == pytest.approx(0.1)


def test_what_goes_up_and_down_is_flat() -> None:
    found = trend("api: MiB", sampled(lambda n: 300 + n % 2 * 100), bound_of("api: MiB"))
    assert found.flat


def test_records_that_are_kept_may_grow_with_the_jobs_and_no_others() -> None:
    def documents(name: str, per_job: float) -> bool:
        full = f"{name}: documents"
        return trend(full, sampled(lambda n: 10 * n * per_job, full), bound_of(full)).flat

    assert documents("jobs", 1)
    assert not documents("jobs", 2)
    assert documents("webhook_deliveries", 1)
    assert not documents("streams", 1)


def test_a_handle_a_minute_is_not_flat() -> None:
    for what in ("connections", "files"):
        name = f"operator: {what}"
        assert not trend(name, sampled(lambda n: 50 + n, name), bound_of(name)).flat
        assert trend(name, sampled(lambda n: 50 + n // 10, name), bound_of(name)).flat


def test_a_figure_that_was_not_there_at_first_counts_from_nothing() -> None:
    samples = [Sample(0, 0, {}), Sample(60, 1, {}), *sampled(lambda _: 5, "new: documents")[2:]]
    assert trend("new: documents", samples, Bound(slack=1)).first == 0


def test_too_few_samples_tell_nothing() -> None:
    with pytest.raises(ValueError, match="too few samples"):
        trend("api: MiB", sampled(lambda _: 1)[:3], Bound())


def test_the_table_names_what_is_not_flat() -> None:
    name = "api: MiB"
    lines = table([trend(name, sampled(lambda n: 100 + n), bound_of(name))]).splitlines()
    assert lines[-1] == "| api: MiB | 100 | 160 | 40 | 0.1 | 16 | NO |"
