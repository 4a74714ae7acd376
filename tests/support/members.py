"""Members of a loop of which one fails, and what the others get done."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

MEMBERS = ["member-a", "member-b", "member-c"]


class Members:
    """Fails for one member, and notes the others."""

    def __init__(self, bad: str, error: Exception) -> None:
        self.bad = bad
        self.error = error
        self.served: set[str] = set()
        self._noted = asyncio.Event()

    def serve(self, member: str) -> None:
        if member == self.bad:
            raise self.error
        self.served.add(member)
        self._noted.set()

    async def act(self, member: str, *_: object, **__: object) -> Any:
        self.serve(member)

    async def act_on(self, _: object, record: Any) -> None:
        self.serve(record.id)

    async def while_running(self, loop: Coroutine[Any, Any, None]) -> None:
        """Runs a loop until all others are served, or it has died, or some seconds have passed."""
        task = asyncio.create_task(loop)
        try:
            async with asyncio.timeout(5):
                while len(self.served) < len(MEMBERS) - 1 and not task.done():
                    self._noted.clear()
                    noted = asyncio.create_task(self._noted.wait())
                    await asyncio.wait([task, noted], return_when=asyncio.FIRST_COMPLETED)
                    noted.cancel()
        except TimeoutError:
            pass
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
