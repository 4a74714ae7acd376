"""All files of a source: into a folder that is there whole and verified, or not at all."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path
from urllib.parse import quote

import aiohttp

from imagerift_core.model_weights import ModelWeightsSpec, is_taken
from imagerift_core.s3_credentials import SigningCredentials, found_credentials
from imagerift_core.weights_download.fetching import FileDownload, Patience
from imagerift_core.weights_download.formats import check_format, digest_of_all, sha256_of
from imagerift_core.weights_download.huggingface import list_repository
from imagerift_core.weights_download.listing import Listing, RemoteFile, checked
from imagerift_core.weights_download.object_storage import list_bucket
from imagerift_core.weights_download.report import (
    Downloaded,
    DownloadFailed,
    DownloadSettings,
    Progress,
)
from imagerift_core.weights_download.requests import Unavailable, open_session

_PARTIAL = ".partial"


class Download:
    """One run. `progress` says at any time how far it is."""

    def __init__(self, settings: DownloadSettings, patience: Patience | None = None) -> None:
        self._settings = settings
        self._spec = settings.request.spec
        self._patience = patience or Patience()
        self.progress = Progress()

    async def run(self) -> Downloaded:
        """Downloads, or looks through a volume that is given; how that ended, good or bad."""
        try:
            if self._spec.claim is not None:
                return await asyncio.to_thread(self._look_through)
            async with open_session(self._settings.ca_file) as http:
                return await self._download(http)
        except DownloadFailed as error:
            return error.report()
        except OSError as error:
            words = f"The volume: {error.strerror or type(error).__name__}."
            return DownloadFailed("VolumeFailed", words, again=True).report()

    async def _download(self, http: aiohttp.ClientSession) -> Downloaded:
        limit = self._settings.request.limit_bytes
        listing = checked(self._spec, await self._listed(http), limit)
        sizes = [file.size for file in listing.files]
        known = None if None in sizes else sum(size or 0 for size in sizes)
        target = self._settings.root / self._settings.request.folder
        # What is whole already is verified again, and mended.
        work = target if target.is_dir() else target.with_name(f"{target.name}{_PARTIAL}")
        self._clear(work)
        checksums: dict[str, str] = {}
        done = 0
        for file in listing.files:
            checksums[file.path] = await FileDownload(
                http,
                file,
                work / file.path,
                most_bytes=limit - done,
                arrived=partial(self._arrived, done, known),
                patience=self._patience,
            ).run()
            done += (work / file.path).stat().st_size
        self._arrived(0, done, done)
        if work != target:
            work.replace(target)
        return self._came_to(listing, checksums, done)

    async def _listed(self, http: aiohttp.ClientSession) -> Listing:
        """What the source has; asked again for a while where it does not answer."""
        failures = 0
        while True:
            try:
                return await self._listing(http)
            except Unavailable as error:
                failures += 1
                if failures >= self._patience.tries:
                    raise DownloadFailed("Unavailable", str(error), again=True) from None
            await asyncio.sleep(self._patience.after(failures))

    async def _listing(self, http: aiohttp.ClientSession) -> Listing:
        spec = self._spec
        if spec.scheme == "hf":
            return await list_repository(
                http, self._settings.hf_endpoint, spec, self._secret("token")
            )
        if spec.scheme == "s3":
            return await list_bucket(spec, await self._credentials(), self._settings.ca_file)
        return Listing(_addresses(spec, self._secret("token")))

    async def _credentials(self) -> SigningCredentials | None:
        access, secret = self._secret("s3-access-key"), self._secret("s3-secret-key")
        if access and secret:
            return SigningCredentials.fixed(access, secret)
        region = self._spec.s3.region if self._spec.s3 else "us-east-1"
        return await found_credentials(region)

    def _secret(self, key: str) -> str | None:
        file = self._settings.secret / key
        return file.read_text().strip() if file.is_file() else None

    def _arrived(self, before: int, total: int | None, size: int) -> None:
        self.progress = Progress(done=before + size, total=total)

    def _clear(self, work: Path) -> None:
        """Throws away what other sources have left unfinished: the volume is for this one."""
        for left in self._settings.root.glob(f"*{_PARTIAL}"):
            if left != work:
                shutil.rmtree(left, ignore_errors=True)
        work.mkdir(parents=True, exist_ok=True)

    def _look_through(self) -> Downloaded:
        """Verifies a volume that is mounted read-only: nothing in it may be of another kind."""
        root = self._settings.root / self._settings.request.folder
        if not root.is_dir():
            raise DownloadFailed("NotFound", f"The claim has no folder {self._spec.place}.")
        checksums: dict[str, str] = {}
        size = 0
        for file in sorted(root.rglob("*")):
            path = file.relative_to(root).as_posix()
            if path.split("/")[0] == "lost+found" or file.is_dir():
                continue
            if file.is_symlink() or not is_taken(path):
                raise DownloadFailed("WrongFormat", f"{path} is of a kind that is not taken.")
            check_format(path, file)
            checksums[path] = sha256_of(file)
            size += file.stat().st_size
            self.progress = Progress(done=size)
        if not checksums:
            raise DownloadFailed("NothingWanted", f"{self._spec.source} is empty.")
        for path, said in self._spec.checksums.items():
            if checksums.get(path) != said:
                raise DownloadFailed("ChecksumMismatch", f"{path} has another checksum, or none.")
        return self._came_to(Listing([]), checksums, size)

    def _came_to(self, listing: Listing, checksums: dict[str, str], size: int) -> Downloaded:
        return Downloaded(
            digest=digest_of_all(checksums),
            bytes=size,
            files=len(checksums),
            licence=listing.licence or self._spec.accept_licence,
            revision=listing.revision,
        )


def _addresses(spec: ModelWeightsSpec, token: str | None) -> list[RemoteFile]:
    """The files of an https:// source: one, or those below a folder."""
    folder = spec.source if spec.source.endswith("/") else None
    return [
        RemoteFile(
            path,
            partial(str, spec.source if folder is None else folder + quote(path)),
            sha256=checksum,
            token=token,
        )
        for path, checksum in spec.checksums.items()
    ]
