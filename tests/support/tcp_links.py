"""TCP links between parts that a test can cut, hold and refuse, one thread for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")
_CHUNK = 65536
_OVERLAP = 512


class Link:
    """A port of loopback that leads to another one.

    `pattern` is looked for in what clients send; each find's first group is kept in `seen`, in
    the order of sending.
    """

    def __init__(self, port: int, pattern: re.Pattern[bytes] | None = None) -> None:
        self.seen: list[str] = []
        self.port = 0
        self._target = port
        self._pattern = pattern
        self._open = asyncio.Event()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._pipes: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._open.set()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self._cut()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    def cut(self) -> None:
        """Resets every connection; new ones are taken as before."""
        self._soon(self._cut)

    def refuse(self) -> None:
        """Resets every connection and every new one, as a server that is away does."""

        def away() -> None:
            self._refusing = True
            self._cut()

        self._soon(away)

    def stall(self) -> None:
        """Nothing flows any more, in no direction; connections stay, and new ones hang."""
        self._soon(self._open.clear)

    def restore(self) -> None:
        """Everything flows again, also what was held."""

        def back() -> None:
            self._refusing = False
            self._open.set()

        self._soon(back)

    def _soon(self, action: Callable[[], None]) -> None:
        done = threading.Event()

        def act() -> None:
            action()
            done.set()

        self._loop.call_soon_threadsafe(act)
        done.wait()

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            if self._refusing:
                return
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(far)
            await asyncio.gather(
                self._pump(reader, far, self._pattern), self._pump(far_reader, writer, None)
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, far):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()
            self._pipes.discard(task)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pattern: re.Pattern[bytes] | None,
    ) -> None:
        before = b""
        while chunk := await reader.read(_CHUNK):
            await self._open.wait()
            if pattern is not None:
                before = self._look(before + chunk, pattern)
            writer.write(chunk)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    def _look(self, data: bytes, pattern: re.Pattern[bytes]) -> bytes:
        """Keeps what is found, and returns what a find may still begin in."""
        end = 0
        for match in pattern.finditer(data):
            self.seen.append(match[1].decode())
            end = match.end()
        return data[max(end, len(data) - _OVERLAP) :]


class Links:
    """Makes links, and runs whatever else a test wants beside them in the same thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._made: list[Link] = []

    def to(self, port: int, pattern: re.Pattern[bytes] | None = None) -> Link:
        link = self.run(self._make(port, pattern))
        self._made.append(link)
        return link

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        for link in self._made:
            self.run(link.stop())

    @staticmethod
    async def _make(port: int, pattern: re.Pattern[bytes] | None) -> Link:
        link = Link(port, pattern)
        await link.start()
        return link


@contextmanager
def opened_links() -> Iterator[Links]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    links = Links(loop)
    try:
        yield links
    finally:
        links.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
