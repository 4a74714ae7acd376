"""Inspects strangers' pictures in processes that may be killed, by turns of workspaces.

A decoder that takes too much CPU or memory, or that crashes, ends its own process alone. No process
sees pictures of two workspaces; small ones of one workspace share one for a few seconds, for to
start a process costs many times what reading such a picture does.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from imagerift_contract.picture_files.rules import Kind, Refused, too_costly
from imagerift_contract.picture_files.stated_size import stated_pixels
from imagerift_contract.picture_processes.client import NotRead, StayingProcess
from imagerift_contract.picture_processes.limits import Limits

from imagerift_core.errors import CapacityUnavailable
from imagerift_core.images import InspectedImage, check_length, refused
from imagerift_core.kept_processes import KEPT_SECONDS, KeptProcesses
from imagerift_core.shared_turns import SharedTurns

_LIGHT_AT_ONCE, _HEAVY_AT_ONCE = 2, 1
# At once in one process, if they wait together.
_LIGHT_TOGETHER = 8
# A file or a picture of more takes longer than most, or more memory: some 16 bytes a pixel.
_LIGHT_BYTES = 3 * 1024 * 1024
_LIGHT_PIXELS = 4_000_000
_CPU_SECONDS = 10
# The files are among it.
MEMORY_BYTES = (640 + 24) * 1024 * 1024
_WALL_SECONDS = 60
# Of a core that both want, a heavy one then has a tenth.
_HEAVY_NICENESS = 10
_WORK = "imagerift_core.images:tell"
_log = structlog.get_logger()


class PictureInspections:
    """Inspects pictures, some at once and fewer heavy ones, by turns of workspaces.

    A heavy one neither holds a place of the others nor has as much of a core as they.
    """

    def __init__(
        self,
        work: str = _WORK,
        *,
        cpu_seconds: int = _CPU_SECONDS,
        memory_bytes: int = MEMORY_BYTES,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._processes = KeptProcesses(work, kept_seconds)
        light = Limits(cpu_seconds, memory_bytes, 0, _WALL_SECONDS)
        heavy = replace(light, niceness=_HEAVY_NICENESS)
        self._light = SharedTurns(
            _LIGHT_AT_ONCE, partial(self._told, light, keep=True), max_items=_LIGHT_TOGETHER
        )
        self._heavy = SharedTurns(
            _HEAVY_AT_ONCE, partial(self._told, heavy, keep=False), max_items=1
        )

    async def inspect(self, data: bytes, *, param: str, workspace: str) -> InspectedImage:
        """As `inspect_image` of the same bytes, whose errors it raises.

        A picture that takes its process with it is unreadable. Raises `CapacityUnavailable` where
        the machine is too busy to tell.
        """
        check_length(data, param=param)
        heavy = _is_heavy(data)
        try:
            told = await (self._heavy if heavy else self._light).add(workspace, data)
        except NotRead as error:
            _log.warning("picture_not_read", why=error.why, bytes=len(data), workspace=workspace)
            if error.why == "broke":
                raise refused(too_costly(), param=param) from None
            raise CapacityUnavailable("The picture could not be looked at in time.") from None
        if "refused" in told:
            raise refused(Refused(**told["refused"]), param=param)
        return InspectedImage(
            **{**told["image"], "content_type": Kind(told["image"]["content_type"])}
        )

    async def _told(
        self, limits: Limits, workspace: str, group: list[bytes], *, keep: bool
    ) -> list[dict[str, Any] | NotRead]:
        kept = self._processes.take(workspace) if keep else None
        try:
            return [*await self._read(limits, workspace, group, kept, keep=keep)]
        except NotRead as error:
            if kept is None and len(group) == 1:
                return [error]
        # Another picture may have taken the process along: each by itself, in a new one.
        return [
            one for data in group for one in await self._told(limits, workspace, [data], keep=False)
        ]

    async def _read(
        self,
        limits: Limits,
        workspace: str,
        group: list[bytes],
        kept: StayingProcess | None,
        *,
        keep: bool,
    ) -> list[dict[str, Any]]:
        lengths = [len(data) for data in group]
        process, answer = await self._processes.read(
            kept, b"".join(group), {"lengths": lengths}, limits
        )
        told = answer.get("told")
        if not isinstance(told, list) or len(told) != len(group):
            process.close()
            raise NotRead("broke")
        if keep:
            self._processes.keep(process, workspace)
        else:
            process.close()
        return told

    async def close(self) -> None:
        """Ends the processes."""
        await self._light.close()
        await self._heavy.close()
        await self._processes.close()


def _is_heavy(data: bytes) -> bool:
    """By what the file says before any decoder reads it. One that does not say is heavy."""
    if len(data) > _LIGHT_BYTES:
        return True
    pixels = stated_pixels(data)
    return pixels is None or pixels > _LIGHT_PIXELS
