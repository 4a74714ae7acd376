"""Objects below a prefix of an S3 bucket, and signed addresses of them."""

from __future__ import annotations

import asyncio
import base64
import tempfile
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import botocore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from imagerift_core.model_weights import ModelWeightsSpec, S3Place
from imagerift_core.proxies import proxy_to
from imagerift_core.s3_credentials import SigningCredentials, session_with
from imagerift_core.s3_signing import UrlSigner
from imagerift_core.weights_download.listing import Listing, RemoteFile, is_wanted
from imagerift_core.weights_download.report import DownloadFailed
from imagerift_core.weights_download.requests import Unavailable

_SIGNED_SECONDS = 6 * 3600
# Of the package ca-certificates.
_SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")


async def list_bucket(
    spec: ModelWeightsSpec, credentials: SigningCredentials | None, ca_file: Path | None = None
) -> Listing:
    """What an s3:// source has below its prefix; without credentials a public bucket is asked.

    Raises `DownloadFailed` or `Unavailable`.
    """
    bucket, _, prefix = spec.place.partition("/")
    place = spec.s3 or S3Place()
    endpoint = place.endpoint or f"https://s3.{place.region}.amazonaws.com"
    client = _client(place, endpoint, credentials, ca_file)
    try:
        found = await asyncio.to_thread(_objects, client, spec)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        if status >= 500 or status == 429:
            raise Unavailable(f"the object store answered {status} ({code})") from None
        words = f"The object store answered {status} ({code}) for s3://{bucket}/{prefix}."
        denied = status in {401, 403}
        raise DownloadFailed(
            "AccessDenied" if denied else "NotFound", words, again=denied
        ) from None
    except (BotoCoreError, OSError) as error:
        raise Unavailable(f"the object store: {type(error).__name__}") from None
    finally:
        client.close()
    if credentials is None:
        return Listing([_file(one, partial(_public, place, endpoint, bucket)) for one in found])
    signer = UrlSigner(credentials, place.region, endpoint, bucket, addressing=place.addressing)
    sign = partial(signer.sign, "GET", seconds=_SIGNED_SECONDS)
    return Listing([_file(one, sign) for one in found])


def _objects(client: Any, spec: ModelWeightsSpec) -> list[dict[str, Any]]:
    """Key, path below the prefix, size, and SHA-256 where the store has it. Blocks."""
    bucket, _, prefix = spec.place.partition("/")
    found: list[dict[str, Any]] = []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            key, path = entry["Key"], _below(prefix, entry["Key"])
            if path is not None and is_wanted(spec, path):
                stated = None if path in spec.checksums else _sha256(client, bucket, key)
                found.append({"key": key, "path": path, "size": entry["Size"], "sha256": stated})
    return found


def _below(prefix: str, key: str) -> str | None:
    """The key's path in the folder that a prefix names, or its name where it is the very object.

    None for what only begins alike.
    """
    if key == prefix:
        return key.rpartition("/")[2]
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    return key.removeprefix(folder) if key.startswith(folder) else None


def _sha256(client: Any, bucket: str, key: str) -> str | None:
    """The whole object's SHA-256, where it was written with one."""
    head = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    stated = head.get("ChecksumSHA256")
    if not stated or head.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT" or "-" in stated:
        return None
    return base64.b64decode(stated).hex()


def _file(one: dict[str, Any], address: Any) -> RemoteFile:
    return RemoteFile(one["path"], partial(address, one["key"]), one["size"], one["sha256"])


def _public(place: S3Place, endpoint: str, bucket: str, key: str) -> str:
    address = urlsplit(endpoint)
    if place.addressing == "virtual":
        return f"{address.scheme}://{bucket}.{address.netloc}/{quote(key)}"
    return f"{endpoint}/{bucket}/{quote(key)}"


def _client(
    place: S3Place, endpoint: str, credentials: SigningCredentials | None, ca_file: Path | None
) -> Any:
    proxy = proxy_to(endpoint)
    signature = "s3v4" if credentials is not None else botocore.UNSIGNED
    return session_with(credentials or SigningCredentials()).create_client(
        "s3",
        endpoint_url=endpoint,
        region_name=place.region,
        verify=None if ca_file is None else str(_all_authorities(ca_file)),
        config=Config(
            signature_version=signature,
            s3={"addressing_style": place.addressing},
            proxies={urlsplit(endpoint).scheme: proxy} if proxy else {},
            connect_timeout=10,
            read_timeout=60,
            retries={"max_attempts": 4, "mode": "standard"},
        ),
    )


def _all_authorities(ca_file: Path) -> Path:
    """One file of the system's authorities and these: botocore takes one alone."""
    system = _SYSTEM.read_text() if _SYSTEM.is_file() else ""
    merged = Path(tempfile.gettempdir()) / "imagerift-authorities.pem"
    merged.write_text(f"{system}\n{ca_file.read_text()}")
    return merged
