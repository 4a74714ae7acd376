"""Members of a loop of which one fails, and what the others get done."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any

MEMBERS = ["member-a", "member-b", "member-c"]


class Members:
    """Fails for one member, and notes the others."""

    def __init__(self, bad: str, error: Exception) -> None:
        self.bad = bad
        self.error = error
        self.served: set[str] = set()
        self.died = False
        self._has_failed = False
        self._noted = asyncio.Event()

    def check(self, group: Collection[str]) -> None:
        """Fails where the one is among them."""
        if self.bad in group:
            self._has_failed = True
            self._noted.set()
            raise self.error

    def serve(self, member: str) -> None:
        self.check([member])
        self.served.add(member)
        self._noted.set()

    async def act(self, member: str, *_: object, **__: object) -> Any:
        self.serve(member)

    async def act_on(self, _: object, record: Any) -> None:
        self.serve(record.id)

    async def while_running(self, loop: Coroutine[Any, Any, None]) -> None:
        """Runs a loop until one has failed and all others are served, or it has died, or some
        seconds have passed."""
        task = asyncio.create_task(loop)
        try:
            async with asyncio.timeout(5):
                while not (self._is_over() or task.done()):
                    self._noted.clear()
                    noted = asyncio.create_task(self._noted.wait())
                    await asyncio.wait([task, noted], return_when=asyncio.FIRST_COMPLETED)
                    noted.cancel()
        except TimeoutError:
            pass
        # It may have yet to hear of what failed.
        for _ in range(20):
            await asyncio.sleep(0)
        self.died = task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _is_over(self) -> bool:
        return self._has_failed and len(self.served) == len(MEMBERS) - 1
