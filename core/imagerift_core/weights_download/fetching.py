"""One file: taken up again where it was cut, never longer than it may be, by its checksum."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
import structlog

from imagerift_core.weights_download.formats import check_format, git_oid_of, sha256_of
from imagerift_core.weights_download.listing import RemoteFile
from imagerift_core.weights_download.report import DownloadFailed
from imagerift_core.weights_download.requests import RangeRefused, Unavailable, get

log = structlog.get_logger(__name__)

_CHUNK = 1 << 20
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class Patience:
    """How often a connection that brings nothing is tried again, and how long between, seconds."""

    tries: int = 6
    first_pause: float = 1.0
    longest_pause: float = 60.0

    def after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return min(self.longest_pause, self.first_pause * 2.0 ** min(failures - 1, 10))


@dataclass(frozen=True)
class FileDownload:
    """A file on its way to `target`, which is there whole and verified or not at all.

    `most_bytes` bounds a file whose size the source does not say; `arrived` is told how many of
    its bytes are there.
    """

    http: aiohttp.ClientSession
    file: RemoteFile
    target: Path
    most_bytes: int
    arrived: Callable[[int], None]
    patience: Patience = Patience()

    async def run(self) -> str:
        """Goes on with what an earlier run has left. The file's SHA-256.

        Raises `DownloadFailed`.
        """
        found = await asyncio.to_thread(self._checksum_of_whole)
        if found is not None:
            return found
        for fresh in (False, True):
            began_at = self._there()
            await self._complete()
            found = await asyncio.to_thread(self._take)
            if found is not None:
                return found
            if not began_at or fresh:
                break
            # What an earlier run had left may have been another file's.
            log.warning("part_thrown_away", path=self.file.path)
        raise DownloadFailed(
            "ChecksumMismatch", f"{self.file.path} has another checksum than it should."
        )

    async def _complete(self) -> None:
        """Fetches until the file has its length; gives up after answers that bring nothing."""
        failures = 0
        # Of an empty file nothing is fetched.
        self._part.touch()
        while self.file.size is None or self._there() != self.file.size:
            before = self._there()
            try:
                await self._append()
            except Unavailable as error:
                failures = 1 if self._there() > before else failures + 1
                log.warning("cut", path=self.file.path, bytes=self._there(), error=str(error))
                if failures >= self.patience.tries:
                    words = f"{self.file.path}: {error} ({failures} times)"
                    raise DownloadFailed("Unavailable", words, again=True) from None
                await asyncio.sleep(self.patience.after(failures))
            else:
                return

    async def _append(self) -> None:
        """Adds what one answer brings. Raises `Unavailable` where it was cut."""
        offset = self._usable()
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            async with get(
                self.http, self.file.address(), token=self.file.token, headers=headers
            ) as response:
                if response.status == HTTPStatus.PARTIAL_CONTENT:
                    self._check_range(response, offset)
                else:
                    offset = 0
                size = await self._write(response, offset)
        except RangeRefused:
            self._part.unlink(missing_ok=True)
            raise
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(type(error).__name__) from None
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise DownloadFailed("VolumeFull", f"{self.file.path}: no room is left.") from None
            raise Unavailable(str(error)) from None
        if self.file.size is not None and size < self.file.size:
            raise Unavailable(f"ended after {size} of {self.file.size} bytes")

    async def _write(self, response: aiohttp.ClientResponse, offset: int) -> int:
        size = offset
        with self._part.open("ab" if offset else "wb") as opened:
            async for chunk in response.content.iter_chunked(_CHUNK):
                size += len(chunk)
                if size > self._most:
                    opened.truncate(0)
                    raise DownloadFailed("TooLarge", f"{self.file.path} is longer than it may be.")
                opened.write(chunk)
                self.arrived(size)
        return size

    def _check_range(self, response: aiohttp.ClientResponse, offset: int) -> None:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            raise DownloadFailed(
                "Refused", f"{self.file.path}: another part came than was asked for."
            )

    @property
    def _part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def _most(self) -> int:
        return self.most_bytes if self.file.size is None else self.file.size

    def _there(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _usable(self) -> int:
        """From which byte on the file is missing; more than it may be long is thrown away."""
        there = self._there()
        if there > self._most:
            self._part.unlink()
            return 0
        return there

    def _checksum_of_whole(self) -> str | None:
        """The SHA-256 of a file that is whole already; one that is not right is thrown away."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        if not self.target.is_file():
            return None
        found = self._verified(self.target)
        if found is None:
            self.target.unlink()
        else:
            self.arrived(self.target.stat().st_size)
        return found

    def _take(self) -> str | None:
        """Puts what has arrived in its place where it is right, and throws it away where not."""
        found = self._verified(self._part)
        if found is None:
            self._part.unlink()
            return None
        check_format(self.file.path, self._part)
        self._part.replace(self.target)
        return found

    def _verified(self, path: Path) -> str | None:
        """The file's SHA-256 where its checksums are those that were stated, None where not."""
        found = sha256_of(path)
        if self.file.sha256 is not None:
            return found if found == self.file.sha256 else None
        return found if git_oid_of(path) == self.file.git_oid else None
