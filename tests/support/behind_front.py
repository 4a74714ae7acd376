"""A program that a front runs in Triton's place: notes each call that reaches it, and answers.

    python behind_front.py LOG --http-address=unix:… --metrics-address=unix:…

Model `echo` gives the body back, `held` answers once there is a file LOG.go, `cut` hangs up, `die`
ends the process with status 7. After a SIGTERM it ends when no call is left.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path


class Behind:
    def __init__(self, log: Path) -> None:
        self._log = log
        self._calls = 0
        self._asked = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def serve(self, sockets: list[str]) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._asked.set)
        for path in sockets:
            await asyncio.start_unix_server(self._connected, path)
        await self._asked.wait()
        await self._idle.wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
                body = await reader.readexactly(int(fields.get("content-length", "0")))
                with self._log.open("a") as log:
                    log.write(json.dumps({"head": head, "body": len(body)}) + "\n")
                await self._answer(head.split(" ", 2)[1], body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        if "/die/" in path:
            os._exit(7)
        if "/cut/" in path:
            raise ConnectionError
        self._calls += 1
        self._idle.clear()
        # A test makes the file, from another process.
        while "/held/" in path and not self._log.with_suffix(".go").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: application/octet-stream\r\nInference-Header-Content-Length: 3\r\n"
            "Set-Cookie: a=b\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        self._calls -= 1
        if not self._calls:
            self._idle.set()


if __name__ == "__main__":
    told = [word.partition("=unix:")[2] for word in sys.argv[2:] if "=unix:" in word]
    asyncio.run(Behind(Path(sys.argv[1])).serve(told))
