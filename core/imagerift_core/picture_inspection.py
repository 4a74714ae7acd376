"""Inspects strangers' pictures in processes of their own, which may be killed, and by turns.

A decoder that takes too much CPU or memory, or that crashes, ends its own process alone.
"""

from __future__ import annotations

import resource
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import structlog
from anyio import BrokenWorkerProcess, CapacityLimiter, to_process
from imagerift_contract.picture_files.kinds import kind_of
from imagerift_contract.picture_files.png_chunks import png_size
from imagerift_contract.picture_files.rules import Kind, Refused

from imagerift_core.errors import CapacityUnavailable, ImageUnreadable
from imagerift_core.fair_turns import FairTurns
from imagerift_core.images import InspectedImage, inspect_image

_PROCESSES = 2
# One at a time, so that the other process is there for ordinary pictures.
_HEAVY_AT_ONCE = 1
# A file or a picture of more takes longer than most, or more memory.
_ORDINARY_BYTES = 3 * 1024 * 1024
_ORDINARY_PIXELS = 12_000_000
_CPU_SECONDS = 10
_MEMORY_BYTES = 640 * 1024 * 1024
# A machine may be busy: what ends here says nothing of the picture.
_WALL_SECONDS = 60
_log = structlog.get_logger()


class PictureInspections:
    """Inspects pictures, some at once and fewer heavy ones, by turns of workspaces."""

    def __init__(self) -> None:
        self._processes = CapacityLimiter(_PROCESSES)
        self._all = FairTurns(_PROCESSES)
        self._heavy = FairTurns(_HEAVY_AT_ONCE)

    async def inspect(self, data: bytes, *, param: str, workspace: str) -> InspectedImage:
        """As `inspect_image` of the same bytes, whose errors it raises.

        A picture that takes its process with it is unreadable. Raises `CapacityUnavailable` where
        the machine is too busy to tell.
        """
        async with AsyncExitStack() as turns:
            if _is_heavy(data):
                await turns.enter_async_context(self._heavy.turn(workspace))
            await turns.enter_async_context(self._all.turn(workspace))
            try:
                with anyio.fail_after(_WALL_SECONDS):
                    return await to_process.run_sync(
                        _inspect, data, param, cancellable=True, limiter=self._processes
                    )
            except TimeoutError:
                raise CapacityUnavailable("The picture could not be looked at in time.") from None
            except (BrokenWorkerProcess, MemoryError):
                _log.warning("picture_broke_its_process", bytes=len(data), workspace=workspace)
                raise ImageUnreadable(
                    "The image takes more time or memory to decode than any that is taken.",
                    param=param,
                ) from None


def _is_heavy(data: bytes) -> bool:
    """By what the file says before any decoder reads it; formats without a short header by size."""
    if len(data) > _ORDINARY_BYTES:
        return True
    try:
        kind = kind_of(data)
        width, height = png_size(data) if kind is Kind.PNG else (0, 0)
    except (Refused, ValueError):
        # Refused in no time.
        return False
    return width * height > _ORDINARY_PIXELS


def _inspect(data: bytes, param: str) -> InspectedImage:
    """Runs in the process of its own."""
    _bound_this_process()
    return inspect_image(data, param=param)


_bounded = False


def _bound_this_process() -> None:
    """So much more memory than now, and so much more CPU for the picture that comes."""
    global _bounded  # noqa: PLW0603 - it is a fact of the process
    if not _bounded:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        pages = Path("/proc/self/statm")
        if pages.exists():
            now = int(pages.read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (now + _MEMORY_BYTES, resource.RLIM_INFINITY))
        _bounded = True
    usage = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(usage.ru_utime + usage.ru_stime) + _CPU_SECONDS
    # Past the soft limit the kernel ends the process, whatever the decoder is at.
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))
