"""Hosts of weights: a plain one, and a stand-in for the Hugging Face Hub.

The Hub's answers are those of its published API (https://huggingface.co/docs/hub/api) as its own
client reads them: the commit of a revision, a tree in pages, `resolve` that sends files in LFS on
to another host, and its word for an error in `X-Error-Code`.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

COMMIT = "462165984030d82259a11f4367a4eed129e94a7b"
TOKEN = "hf_only-for-the-hub"


def safetensors(size: int = 4096) -> bytes:
    """A file of the format: the header's length, a header, and so many bytes of numbers."""
    header = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (size, size)
    return len(header).to_bytes(8, "little") + header + bytes(i * 31 % 251 for i in range(size))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Host:
    """Serves files with ranges. `cuts` says after how many bytes the next answers break off."""

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    status: int | None = None
    redirects: dict[str, str] = field(default_factory=dict)
    takes_ranges: bool = True
    chunked: bool = False
    # Path, Range and Authorization of each request.
    seen: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        headers = request.headers
        self.seen.append((request.path, headers.get("Range"), headers.get("Authorization")))
        if self.status is not None:
            return web.Response(status=self.status)
        if request.path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[request.path]})
        content = self.files.get(request.path)
        if content is None:
            return web.Response(status=404)
        return await self._send(request, content)

    async def _send(self, request: web.Request, content: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        asked = request.headers.get("Range")
        if asked and self.takes_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return web.Response(status=416)
            response.set_status(206)
            response.headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content = content[start:]
        if self.chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = len(content)
        await response.prepare(request)
        if self.cuts:
            await response.write(content[: self.cuts.pop(0)])
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(content)
        await response.write_eof()
        return response


@asynccontextmanager
async def serving(host: Host, ssl: Any = None, address: str = "127.0.0.1") -> AsyncIterator[Host]:
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", host.answer)
    server = TestServer(app, scheme="https" if ssl else "http", host=address)
    await server.start_server(**({"ssl": ssl} if ssl else {}))
    host.url = str(server.make_url("")).rstrip("/")
    try:
        yield host
    finally:
        await server.close()


@dataclass
class Hub(Host):
    """One repository at one commit, which `main` is too; its large files lie at `cdn`."""

    cdn: Host = field(default_factory=Host)
    repository: str = "acme/sdxl"
    licence: dict[str, Any] = field(default_factory=lambda: {"license": "openrail++"})
    in_lfs: frozenset[str] = frozenset({".safetensors", ".bin"})
    gated: bool = False
    page: int = 2

    def put(self, path: str, content: bytes) -> None:
        self.files[path] = content
        if Path(path).suffix in self.in_lfs:
            self.cdn.files[f"/{sha256(content)}"] = content

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(
            (request.path, request.headers.get("Range"), request.headers.get("Authorization"))
        )
        api, resolve = f"/api/models/{self.repository}", f"/{self.repository}/resolve/{COMMIT}/"
        if request.path in {f"{api}/revision/main", f"{api}/revision/{COMMIT}"}:
            about = {"id": self.repository, "sha": COMMIT, "cardData": self.licence}
            return web.json_response(about)
        if request.path == f"{api}/tree/{COMMIT}":
            return self._tree(request)
        if request.path.startswith(resolve):
            return await self._resolve(request, request.path.removeprefix(resolve))
        if request.path.startswith(f"{api}/revision/"):
            return _error(404, "RevisionNotFound")
        # So that nobody learns which private repositories there are.
        return _error(401, "RepoNotFound")

    def _tree(self, request: web.Request) -> web.Response:
        assert request.query["recursive"] == "true"
        start = int(request.query.get("cursor", "0"))
        paths = sorted(self.files)
        folders = sorted({str(Path(path).parent) for path in paths} - {"."})
        entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": p} for p in folders]
        entries += [self._entry(path) for path in paths]
        headers = {}
        if start + self.page < len(entries):
            following = request.url.update_query(cursor=str(start + self.page))
            headers["Link"] = f'<{following}>; rel="next"'
        return web.json_response(entries[start : start + self.page], headers=headers)

    def _entry(self, path: str) -> dict[str, Any]:
        content = self.files[path]
        pointer = b"version https://git-lfs.github.com/spec/v1\n..."
        if Path(path).suffix in self.in_lfs:
            lfs = {"oid": sha256(content), "size": len(content), "pointerSize": 135}
            return {
                "type": "file",
                "oid": _git_oid(pointer),
                "size": len(content),
                "lfs": lfs,
                "path": path,
            }
        return {"type": "file", "oid": _git_oid(content), "size": len(content), "path": path}

    async def _resolve(self, request: web.Request, path: str) -> web.StreamResponse:
        content = self.files.get(path)
        # What a gated repository is, anybody may read; what it holds, who has accepted its terms.
        if self.gated and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _error(401, "GatedRepo")
        if content is None:
            return _error(404, "EntryNotFound")
        if Path(path).suffix not in self.in_lfs:
            return await self._send(request, content)
        headers = {
            "Location": f"{self.cdn.url}/{sha256(content)}",
            "X-Repo-Commit": COMMIT,
            "X-Linked-Size": str(len(content)),
            "X-Linked-ETag": f'"{sha256(content)}"',
        }
        return web.Response(status=302, headers=headers)


@asynccontextmanager
async def hub_serving(hub: Hub) -> AsyncIterator[Hub]:
    async with serving(hub.cdn), serving(hub):
        yield hub


def _error(status: int, word: str) -> web.Response:
    return web.Response(status=status, headers={"X-Error-Code": word, "X-Error-Message": word})


def _git_oid(content: bytes) -> str:
    header = b"blob %d\0" % len(content)
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
