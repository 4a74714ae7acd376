"""What a model server says that it can do of each mode, and what jobs may so ask of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from imagerift_contract.values import EXPORT_LONG_EDGE, MAX_REFERENCES
from imagerift_core.mongo.scheduler_snapshot import ServedMode
from imagerift_core.resources import TritonPoolSpec

from imagerift_operator.job_entry import in_several_aspects, target_of

# By mode: None is one that the server cannot do; of one that is not there nothing is known.
Abilities = Mapping[str, ServedMode | None]
ANYTHING = ServedMode(references=MAX_REFERENCES)


class Describes(Protocol):
    """A model server."""

    async def abilities(self) -> dict[str, Any] | None:
        """What its `control` says of each mode; None where it says nothing."""


class Described(Protocol):
    """A server as the pool knows it."""

    abilities: Abilities | None
    draining: bool


async def abilities_of(server: Describes) -> Abilities | None:
    """What the server says that it can do; None where it says nothing.

    Raises `TritonUnavailable`.
    """
    told = await server.abilities()
    if told is None:
        return None
    return {mode: None if said is None else _served(said) for mode, said in told.items()}


def ability(abilities: Abilities | None, mode: str) -> ServedMode | None:
    """What a server can do of a mode; None for nothing. It is believed to do what it is for."""
    return ANYTHING if abilities is None else abilities.get(mode, ANYTHING)


def intended_targets(
    pool: str, spec: TritonPoolSpec, modes: Iterable[str], abilities: Abilities | None = None
) -> frozenset[str]:
    """What jobs may ask for so that this pool runs them, once it has models for `modes`."""
    sizes = spec.export_sizes or EXPORT_LONG_EDGE
    targets: set[str] = set()
    for mode in modes:
        able = ability(abilities, mode)
        plain = [target_of(asked, mode, size) for asked in (None, pool) for size in sizes]
        if able is not None:
            targets.update(plain)
        if able is not None and not able.one_aspect:
            targets.update(map(in_several_aspects, plain))
    return frozenset(targets)


def told_by(servers: Iterable[Described]) -> list[Abilities | None]:
    """What each server says; of a pool without any, that nobody knows."""
    return [each.abilities for each in servers if not each.draining] or [None]


def possible_targets(
    pool: str, spec: TritonPoolSpec, servers: Iterable[Described]
) -> frozenset[str]:
    """What this pool is for, less what all of its servers, each of which has told, cannot do."""
    each = (intended_targets(pool, spec, spec.modes, told) for told in told_by(servers))
    return frozenset[str]().union(*each)


def _served(said: object) -> ServedMode:
    told = said if isinstance(said, dict) else {}
    references = told.get("references", 0)
    if isinstance(references, bool) or not isinstance(references, int):
        references = 0
    return ServedMode(
        one_aspect=told.get("oneAspect") is True,
        references=min(MAX_REFERENCES, max(0, references)),
    )
