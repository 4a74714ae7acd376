"""A forward proxy for HTTPS, as companies have one between their networks and the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CONNECT_SECONDS = 10


@dataclass
class ForwardProxy:
    """`names` are hosts that nobody else can look up, and the address and port of each.

    `asked` has the first two words of each request: `CONNECT host:port`.
    """

    names: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""
    _tunnels: set[asyncio.Task[None]] = field(default_factory=set)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tunnels.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, target, _ = head.partition("\r\n")[0].split(" ")
                self.asked.append(f"{method} {target}")
                if method != "CONNECT":
                    writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
                    await writer.drain()
                    return
                await self._tunnel(target, reader, writer)
        finally:
            self._tunnels.discard(task)
            writer.close()

    async def _tunnel(
        self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        name, _, port = target.rpartition(":")
        host = self.names.get(name, (name, int(port)))
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                inner, outer = await asyncio.open_connection(*host)
        except (OSError, TimeoutError):
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, outer), pump(inner, writer))

    async def end(self) -> None:
        """Ends the tunnels: their clients would keep them."""
        for task in self._tunnels:
            task.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes on what comes until it ends."""
    try:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    except OSError:
        """The other side went away."""
    finally:
        writer.close()


@asynccontextmanager
async def forwarding(proxy: ForwardProxy, address: str) -> AsyncIterator[ForwardProxy]:
    """Runs the proxy on a port of the address."""
    async with await asyncio.start_server(proxy.answer, address, 0) as server:
        proxy.url = f"http://{address}:{server.sockets[0].getsockname()[1]}"
        try:
            yield proxy
        finally:
            server.close()
            await proxy.end()
