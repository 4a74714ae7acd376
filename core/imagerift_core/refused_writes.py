"""Counts writes that a store refused: it answered, and said no to this one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation

_refused: Counter[tuple[str, str]] = Counter()


def count_refused_write(verb: str, kind: str) -> None:
    """Counts one of this process. Both words are of closed sets: what is done, to what kind."""
    _refused[verb, kind] += 1


def show_refused_writes(meter: Meter) -> None:
    """Registers the counter, which is read when it is scraped."""

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        for (verb, kind), count in list(_refused.items()):
            yield Observation(count, {"verb": verb, "kind": kind})

    meter.create_observable_counter(
        "imagerift_refused_writes",
        callbacks=[observe],
        description="Writes that Kubernetes or the object store refused.",
    )
