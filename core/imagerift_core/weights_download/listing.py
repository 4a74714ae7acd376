"""What a source has, before anything of it is fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from imagerift_core.model_weights import ModelWeightsSpec, is_taken
from imagerift_core.weights_download.report import DownloadFailed


@dataclass(frozen=True)
class RemoteFile:
    """A file of the source.

    `address` makes its URL, anew for each try: a signature may have ended. `sha256` or `git_oid`
    is what the source says of it; `size` in bytes, None where it says none.
    """

    path: str
    address: Callable[[], str]
    size: int | None = None
    sha256: str | None = None
    git_oid: str | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Listing:
    """The files that are wanted of a source, with its licence and commit where it states them."""

    files: list[RemoteFile]
    licence: str | None = None
    revision: str | None = None


def is_wanted(spec: ModelWeightsSpec, path: str) -> bool:
    """Whether a path is of a kind that is taken, and matches the patterns where there are any."""
    matches = not spec.files or any(fnmatchcase(path, pattern) for pattern in spec.files)
    return matches and is_taken(path)


def checked(spec: ModelWeightsSpec, listing: Listing, limit_bytes: int) -> Listing:
    """The listing held to the spec: licence, size, and that there is something, and a checksum.

    Raises `DownloadFailed`.
    """
    if listing.licence is not None and listing.licence != spec.accept_licence:
        raise DownloadFailed(
            "LicenceNotAccepted",
            f"The source states the licence '{listing.licence}'; spec.acceptLicence is "
            f"'{spec.accept_licence}'.",
        )
    paths = {file.path for file in listing.files}
    if not paths:
        raise DownloadFailed("NothingWanted", "The source has no file that spec.files matches.")
    if missing := sorted(spec.checksums.keys() - paths):
        raise DownloadFailed("FileMissing", f"The source has no {missing[0]} (spec.checksums).")
    files = [_with_checksum(spec, file) for file in listing.files]
    total = sum(file.size or 0 for file in files)
    if total > limit_bytes:
        raise DownloadFailed(
            "TooLarge", f"The files are {total} bytes, spec.storage.size is {limit_bytes}."
        )
    return Listing(files, listing.licence, listing.revision)


def _with_checksum(spec: ModelWeightsSpec, file: RemoteFile) -> RemoteFile:
    said = spec.checksums.get(file.path)
    if said is None and file.sha256 is None and file.git_oid is None:
        raise DownloadFailed(
            "NoChecksum", f"The source states no SHA-256 of {file.path}: give it in spec.checksums."
        )
    if said is not None and file.sha256 is not None and said != file.sha256:
        raise DownloadFailed(
            "ChecksumMismatch",
            f"{file.path}: the source states the SHA-256 {file.sha256}, spec.checksums {said}.",
        )
    return RemoteFile(
        file.path, file.address, file.size, said or file.sha256, file.git_oid, file.token
    )
