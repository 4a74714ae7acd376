"""Fetching a network: taken up again where it was cut, never longer than it is, by checksum."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from imagerift_vision.weights.catalogue import Entry
from imagerift_vision.weights.shelf import digest_of

CHUNK = 1 << 20
USER_AGENT = "imagerift-weights"


class UnavailableError(Exception):
    """It cannot be had: the text says why."""


@dataclass(frozen=True)
class Patience:
    """How long a download may take."""

    silence: float = 20.0
    """Seconds without a byte, the connection's included, after which a server is given up."""
    slowest: float = 100_000.0
    """Bytes a second below which it is given up, on the whole."""
    resumptions: int = 8
    """How often a connection that was cut is taken up again."""


def fetch(
    entry: Entry,
    part: Path,
    patience: Patience | None = None,
    refused: MutableMapping[str, str] | None = None,
) -> Path:
    """Download the file into `part`, going on with what is there, and check it.

    A host that refuses a connection is noted in `refused`, with its reason, and not asked again.

    Raises UnavailableError with the reason of each host.
    """
    patience = patience or Patience()
    refused = {} if refused is None else refused
    reasons: list[str] = []
    for address in entry.addresses:
        host = urlsplit(address).netloc
        if host in refused:
            reasons.append(f"{host}: {refused[host]}")
            continue
        try:
            _download(address, entry, part, patience)
        except ConnectionError as error:
            refused[host] = str(error)
            reasons.append(f"{host}: {error}")
        except UnavailableError as error:
            reasons.append(f"{host}: {error}")
        else:
            return part
    raise UnavailableError("; ".join(reasons))


def _download(address: str, entry: Entry, part: Path, patience: Patience) -> None:
    end = time.monotonic() + 60 + entry.size / patience.slowest
    for _ in range(1 + patience.resumptions):
        before = _size(part)
        if before < entry.size:
            _append(address, entry, part, patience, end)
        if _size(part) == entry.size:
            break
        if _size(part) <= before:
            raise UnavailableError(f"it ends after {_size(part)} of {entry.size} bytes")
    if _size(part) != entry.size:
        raise UnavailableError(f"it was cut at {_size(part)} of {entry.size} bytes")
    found = digest_of(part)
    if found != entry.sha256:
        part.unlink()
        raise UnavailableError(f"the checksum does not match: {found}")


def _append(address: str, entry: Entry, part: Path, patience: Patience, end: float) -> None:
    """Add what one answer brings; one that is cut short is not an error."""
    offset = _size(part)
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - the catalogue's
    try:
        response = urllib.request.urlopen(request, timeout=patience.silence)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
        raise UnavailableError(f"{error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ConnectionError(getattr(error, "reason", error) or repr(error)) from None
    with response:
        goes_on = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if goes_on and not str(response.headers["Content-Range"]).startswith(f"bytes {offset}-"):
            raise UnavailableError("it answers with another part than was asked for")
        size = offset if goes_on else 0
        with part.open("ab" if goes_on else "wb") as file:
            for chunk in _chunks(response):
                size += len(chunk)
                if size > entry.size:
                    file.truncate(0)
                    raise UnavailableError(f"it is longer than {entry.size} bytes")
                if time.monotonic() > end:
                    raise UnavailableError("it is too slow")
                file.write(chunk)


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """What arrives, until it ends or is cut."""
    try:
        # What is there at once: a slow server must not fill a whole chunk before it is looked at.
        while chunk := response.read1(CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException):
        return


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
