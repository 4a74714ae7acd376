"""The Hugging Face Hub, by its HTTP API: a revision's commit, its tree, and `resolve` addresses.

The API is that of https://huggingface.co/docs/hub/api and of its own client, huggingface_hub: the
tree states for a file in LFS its SHA-256 and for any other the id that git gives to it.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import aiohttp
import orjson

from imagerift_core.model_weights import ModelWeightsSpec
from imagerift_core.weights_download.listing import Listing, RemoteFile, is_wanted
from imagerift_core.weights_download.report import DownloadFailed
from imagerift_core.weights_download.requests import Unavailable, get

_MOST_PAGES = 100
_MOST_BYTES = 32 << 20
_CHUNK = 1 << 16


async def list_repository(
    http: aiohttp.ClientSession, endpoint: str, spec: ModelWeightsSpec, token: str | None
) -> Listing:
    """What an hf:// source has at its revision. Raises `DownloadFailed` or `Unavailable`."""
    try:
        return await _list(http, endpoint, spec, token)
    except (KeyError, TypeError, AttributeError):
        host = urlsplit(endpoint).hostname
        raise DownloadFailed("Refused", f"{host} answers otherwise than the Hub does.") from None


async def _list(
    http: aiohttp.ClientSession, endpoint: str, spec: ModelWeightsSpec, token: str | None
) -> Listing:
    repository, _, revision = spec.place.partition("@")
    base = endpoint.rstrip("/")
    api = f"{base}/api/models/{repository}"
    about, _ = await _json(http, f"{api}/revision/{quote(revision, safe='')}", token)
    commit = about["sha"]
    files: list[RemoteFile] = []
    following: str | None = f"{api}/tree/{commit}?recursive=true"
    for _ in range(_MOST_PAGES):
        if following is None:
            break
        page, following = await _json(http, following, token)
        files += [
            _file(f"{base}/{repository}/resolve/{commit}", entry, token)
            for entry in page
            if entry["type"] == "file" and is_wanted(spec, entry["path"])
        ]
    return Listing(files, _licence(about), commit)


def _file(base: str, entry: dict[str, Any], token: str | None) -> RemoteFile:
    in_lfs = entry.get("lfs")
    return RemoteFile(
        path=entry["path"],
        address=partial(str, f"{base}/{quote(entry['path'])}"),
        size=(in_lfs or entry)["size"],
        sha256=in_lfs["oid"] if in_lfs else None,
        git_oid=None if in_lfs else entry["oid"],
        token=token,
    )


def _licence(about: dict[str, Any]) -> str:
    """The licence in the model card: its own name where the Hub's list has none for it."""
    card = about.get("cardData") or {}
    stated = card.get("license")
    if isinstance(stated, list):
        stated = ", ".join(map(str, stated))
    if stated == "other":
        stated = card.get("license_name") or stated
    return str(stated or "none")


async def _json(http: aiohttp.ClientSession, url: str, token: str | None) -> tuple[Any, str | None]:
    """The answer, and the address of the next page where there is one."""
    host = urlsplit(url).hostname
    body = b""
    try:
        async with get(http, url, token=token) as response:
            link = response.links.get("next")
            following = link.get("url") if link is not None else None
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise DownloadFailed("Refused", f"{host} answers without end.")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable(f"{host}: {type(error).__name__}") from None
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise DownloadFailed("Refused", f"{host}: no JSON.") from None
    if following is None:
        return answer, None
    target = urljoin(url, str(following))
    if urlsplit(target)[:2] != urlsplit(url)[:2]:
        # Its token is for this host alone.
        raise DownloadFailed("RedirectRefused", "The list of files goes on at another host.")
    return answer, target
