"""What a file of weights begins with; a file under another's name is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from imagerift_core.weights_download.report import DownloadFailed

# A safetensors file begins with the length of its JSON header, little-endian; its own reader takes
# no header above this (safetensors, MAX_HEADER_SIZE).
_MAX_HEADER = 100_000_000
_GGUF = b"GGUF"
# A zip archive, as PyTorch writes pickles, and the protocol mark of a bare pickle (PEP 3154).
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_CHUNK = 1 << 20


def check_format(path: str, file: Path) -> None:
    """Raises `DownloadFailed` where a file of weights is not what its name says."""
    with file.open("rb") as opened:
        head = opened.read(9)
    suffix = PurePosixPath(path).suffix
    if suffix == ".safetensors":
        length = int.from_bytes(head[:8], "little")
        good = head[8:9] == b"{" and 2 <= length <= min(_MAX_HEADER, file.stat().st_size - 8)
    elif suffix == ".gguf":
        good = head.startswith(_GGUF)
    else:
        # A protocol buffer and text have no mark of their own.
        good = not head.startswith(_PICKLES)
    if not good:
        raise DownloadFailed("WrongFormat", f"{path} is no {suffix} file inside.")


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def git_oid_of(file: Path) -> str:
    """The id that git gives to a file: SHA-1 of its length and its content."""
    digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    for chunk in _chunks(file):
        digest.update(chunk)
    return digest.hexdigest()


def digest_of_all(checksums: dict[str, str]) -> str:
    """One digest of many files: of the list that `sha256sum` writes of them, by their paths."""
    lines = "".join(f"{checksums[path]}  {path}\n" for path in sorted(checksums))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            yield chunk
