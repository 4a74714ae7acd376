"""Which modes the pools of the shard serve: from this the API knows what to offer."""

from __future__ import annotations

from collections.abc import Iterable

from imagerift_core.modes import Modes
from imagerift_core.mongo.scheduler_snapshot import ServedMode

from imagerift_operator.abilities import ability, told_by
from imagerift_operator.pools import Pool


def served_modes(pools: Iterable[Pool], modes: Modes) -> dict[str, ServedMode]:
    """The modes that some pool is for, unless all of its servers say that they cannot do them.

    A pool whose servers are away, or scaled to none, serves what it is for: jobs wait for it.
    """
    found: dict[str, ServedMode] = {}
    for pool in pools:
        told = told_by(pool.replicas.values())
        for mode in pool.spec.modes:
            able = [one for each in told if (one := ability(each, mode)) is not None]
            if mode in modes and able:
                both = [*able, found[mode]] if mode in found else able
                found[mode] = ServedMode(
                    one_aspect=all(one.one_aspect for one in both),
                    references=max(one.references for one in both),
                )
    return found
