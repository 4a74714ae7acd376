"""Which modes are offered here: those of the file, as far as the shard's pools serve them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import structlog
from aiohttp import web
from imagerift_core.errors import CapacityUnavailable, InvalidRequest
from imagerift_core.generation import GenerationSpec, check_references
from imagerift_core.modes import Modes
from imagerift_core.mongo.scheduler_snapshot import ServedMode, SnapshotStore

_FRESH_SECONDS = 1.0
_log = structlog.get_logger()


class Offers:
    """What the operator last told of the pools, read at most once a second.

    Where that cannot be read, what was read before holds: an outage refuses no submit.
    """

    def __init__(self, modes: Modes, snapshots: SnapshotStore, shard: str) -> None:
        self._modes = modes
        self._snapshots = snapshots
        self._shard = shard
        self._served: Mapping[str, ServedMode] = {}
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def modes(self) -> Modes:
        """The modes that are offered now."""
        served = await self._current()
        return {
            name: mode
            for name, mode in self._modes.items()
            if not mode.needs_pool or name in served
        }

    async def one_aspect(self, mode: str) -> bool:
        """Whether a job's pictures all have to have one aspect."""
        served = (await self._current()).get(mode)
        return served is not None and served.one_aspect

    async def references(self, mode: str) -> int:
        """How many pictures beside the source may be sent: as many as a pool looks at."""
        known = self._modes.get(mode)
        served = (await self._current()).get(mode)
        most = known.max_references if known is not None else 0
        return most if served is None else min(most, served.references)

    async def check(self, spec: GenerationSpec, *, references: int = 0) -> None:
        """Raises `InvalidRequest` for several aspects that no pool here makes of one seed, and for
        more references than any looks at."""
        most = await self.references(spec.mode)
        check_references(references, spec.mode, most, param="referenceKeys")
        aspects = {shape.aspect for shape in spec.shapes}
        if len(aspects) > 1 and await self.one_aspect(spec.mode):
            raise InvalidRequest(
                f"outputs must be of one aspect: here, mode '{spec.mode}' makes another picture "
                "of a seed in each.",
                param="outputs",
            )

    async def _current(self) -> Mapping[str, ServedMode]:
        async with self._lock:
            if time.monotonic() - self._read_at >= _FRESH_SECONDS:
                self._read_at = time.monotonic()
                try:
                    self._served = await self._snapshots.served_modes(self._shard)
                except CapacityUnavailable as error:
                    _log.warning("served_modes_not_read", exc_info=error)
        return self._served


OFFERS = web.AppKey("offers", Offers)
