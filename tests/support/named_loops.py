"""Loops that are named and not run, so that a process can be made of stand-ins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from imagerift_core.loops import Loops


class NamedLoops(Loops):
    """Keeps what was started, and runs none of it."""

    def __init__(self) -> None:
        super().__init__()
        self.started: dict[str, Callable[[], Awaitable[None]]] = {}

    def start(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        assert name not in self.started
        self.started[name] = loop
