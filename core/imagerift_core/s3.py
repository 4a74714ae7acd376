"""The bucket. No other module knows boto3, which signs; aiohttp moves the bytes."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from imagerift_core.clock_watch import date_of
from imagerift_core.errors import CapacityUnavailable, ObjectsRefused, PayloadTooLarge
from imagerift_core.proxies import proxy_to
from imagerift_core.refused_writes import count_refused_write
from imagerift_core.s3_credentials import SigningCredentials, open_credentials, session_with
from imagerift_core.s3_signing import UrlSigner
from imagerift_core.settings import SharedSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_DELETE_BATCH = 1000
_MISSING = {"NoSuchKey", "404"}
# How stores refuse to delete what a policy, a hold or a lock protects.
_OF_THE_KEYS = {"AccessDenied", "InvalidRequest", "InvalidObjectState", "ObjectLocked"}
_PASSING = {"InternalError", "ServiceUnavailable", "SlowDown"}
_PUT_TIMEOUT_SECONDS = 60
_MAX_WORDS = 4096
# How stores name a signature from another time: from long ago, or from a time that is not yet.
_OF_THE_CLOCK = ("RequestTimeTooSkewed", "Request has expired", "not yet valid", "not valid yet")
# What else a form could say of its object and of the answer to it. S3 refuses a field that the
# policy does not name, others take it; so the policy fixes each, to a value that all of them know
# and that asks for no further right (an ACL or tags would, and S3 refuses both unasked).
_FIXED_FIELDS = {
    "Cache-Control": "private, no-store",
    "Content-Disposition": "attachment",
    "Content-Encoding": "identity",
    "Expires": "Thu, 01 Jan 1970 00:00:00 GMT",
    "success_action_redirect": "",
    "success_action_status": "204",
}


@dataclass(frozen=True)
class StoredObject:
    key: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class UploadForm:
    """Where to POST a file as multipart/form-data, and the fields that go before it."""

    url: str
    fields: dict[str, str]


class ObjectStore:
    """Puts, gets, copies, lists, deletes and signs objects of one bucket.

    A signature names its host, so URLs for clients are signed for the public endpoint and
    those for model servers for the internal one.
    """

    def __init__(
        self,
        internal: S3Client,
        credentials: SigningCredentials,
        http: aiohttp.ClientSession,
        settings: SharedSettings,
    ) -> None:
        self._internal = internal
        self._bucket = settings.s3_bucket
        self._http = http
        self._endpoint = settings.s3_internal_url
        self._internal_urls = _url_signer(settings, credentials, settings.s3_internal_url)
        self._public_urls = _url_signer(settings, credentials, settings.s3_public_url)

    def lifetime(self, seconds: int) -> int:
        """How many of `seconds` a URL or a form holds that is signed now.

        Raises `CapacityUnavailable`, as signing does, where there are no credentials.
        """
        return self._public_urls.lifetime(seconds)

    def presign_get(self, key: str, *, seconds: int) -> str:
        """A URL by which a model server reads `key`."""
        return self._internal_urls.sign("GET", key, seconds=seconds)

    def presign_put(self, key: str, *, content_type: str, seconds: int) -> str:
        """A URL by which a model server writes `key`, with exactly this content type."""
        return self._internal_urls.sign("PUT", key, content_type=content_type, seconds=seconds)

    def presign_download(self, key: str, *, filename: str, seconds: int) -> str:
        """A URL by which a client fetches `key`; browsers save it as `filename`."""
        disposition = f'inline; filename="{filename}"'
        return self._public_urls.sign(
            "GET", key, seconds=seconds, query={"response-content-disposition": disposition}
        )

    def presign_post(
        self, key: str, *, content_type: str, max_bytes: int, seconds: int
    ) -> UploadForm:
        """A form by which a client writes `key`, of this type and at most so many bytes.

        The store takes it with these very fields alone.
        """
        fields = {"Content-Type": content_type, **_FIXED_FIELDS}
        conditions = [
            *({name: value} for name, value in fields.items()),
            ["content-length-range", 1, max_bytes],
        ]
        return UploadForm(*self._public_urls.form(key, fields, conditions, seconds=seconds))

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Writes an object. Raises `CapacityUnavailable` where the bucket does not take it."""
        url = self.presign_put(key, content_type=content_type, seconds=_PUT_TIMEOUT_SECONDS)
        try:
            async with self._http.put(
                # A stream, which aiohttp writes in pieces: bytes in one would hold up the loop.
                url,
                data=io.BytesIO(data),
                headers={"Content-Type": content_type},
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    raise _refused(await _words(response), "a write")
        except (aiohttp.ClientError, TimeoutError):
            # Without the cause: its text would hold the signed URL.
            raise CapacityUnavailable("The object store does not answer.") from None

    async def get(self, key: str, *, max_bytes: int) -> bytes | None:
        """The object's bytes, or None where there is none.

        Raises `PayloadTooLarge` for an object of more than `max_bytes`, `CapacityUnavailable`
        where the bucket does not answer.
        """
        url = self.presign_get(key, seconds=_PUT_TIMEOUT_SECONDS)
        try:
            async with self._http.get(url, allow_redirects=False) as response:
                if response.status == 404:
                    return None
                if response.status != 200:
                    raise _refused(await _words(response), "a read")
                if (response.content_length or 0) > max_bytes:
                    raise PayloadTooLarge(
                        f"The object has {response.content_length} bytes; at most {max_bytes}."
                    )
                return await response.read()
        except (aiohttp.ClientError, TimeoutError):
            # Without the cause: its text would hold the signed URL.
            raise CapacityUnavailable("The object store does not answer.") from None

    async def copy(self, source: str, target: str) -> bool:
        """Copies inside the bucket. False where `source` is gone."""
        try:
            await self._call(
                self._internal.copy_object,
                Bucket=self._bucket,
                Key=target,
                CopySource={"Bucket": self._bucket, "Key": source},
            )
        except ClientError:
            return False
        return True

    async def size_of(self, key: str) -> int | None:
        """The object's size in bytes, None where there is none.

        Raises `CapacityUnavailable` where the bucket does not say.
        """
        url = self._internal_urls.sign("HEAD", key, seconds=_PUT_TIMEOUT_SECONDS)
        try:
            async with self._http.head(url, allow_redirects=False) as response:
                if response.status == 404:
                    return None
                if response.status != 200 or response.content_length is None:
                    raise CapacityUnavailable("The object store refused a look.")
                return response.content_length
        except (aiohttp.ClientError, TimeoutError):
            # Without the cause: its text would hold the signed URL.
            raise CapacityUnavailable("The object store does not answer.") from None

    async def list_objects(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Every object under `prefix`, page by page."""
        token: dict[str, str] = {}
        while True:
            answer = await self._call(
                self._internal.list_objects_v2, Bucket=self._bucket, Prefix=prefix, **token
            )
            for item in answer.get("Contents", []):
                yield StoredObject(item["Key"], item["Size"], item["LastModified"])
            if not answer.get("IsTruncated"):
                return
            token = {"ContinuationToken": answer["NextContinuationToken"]}

    async def delete(self, keys: Iterable[str]) -> None:
        """Deletes the keys; a missing one is no error.

        Raises `ObjectsRefused` where the store refuses some of them, which stops none of the
        others, and `CapacityUnavailable` where it does not answer.
        """
        todo = list(keys)
        refused: dict[str, str] = {}
        for start in range(0, len(todo), _DELETE_BATCH):
            refused |= await self._delete(todo[start : start + _DELETE_BATCH])
        if refused:
            for _ in refused:
                count_refused_write("delete", "objects")
            raise ObjectsRefused(refused)

    async def _delete(self, batch: list[str]) -> dict[str, str]:
        """Deletes one batch; the keys that the store refuses, with its words.

        Some refuse the whole request for one of its keys: it is sent in halves then.
        """
        try:
            answer = await asyncio.to_thread(
                self._internal.delete_objects,
                Bucket=self._bucket,
                Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True},
            )
        except ClientError as error:
            is_of_the_clock = any(sign in str(error) for sign in _OF_THE_CLOCK)
            if is_of_the_clock or error.response["Error"]["Code"] not in _OF_THE_KEYS:
                raise _refused(str(error), "a call") from error
            if len(batch) == 1:
                return {batch[0]: str(error)}
        except BotoCoreError as error:
            raise CapacityUnavailable("The object store does not answer.") from error
        else:
            errors = answer.get("Errors", [])
            if any(item.get("Code") in _PASSING for item in errors):
                raise CapacityUnavailable("The object store could not delete every object.")
            return {item["Key"]: f"{item.get('Code')}: {item.get('Message')}" for item in errors}
        middle = len(batch) // 2
        return await self._delete(batch[:middle]) | await self._delete(batch[middle:])

    async def delete_prefix(self, prefix: str) -> None:
        """Deletes everything under `prefix`, which must name a whole folder.

        Raises `ValueError` for any other one, since it would reach into its neighbours.
        """
        if not prefix.strip("/") or not prefix.endswith("/"):
            raise ValueError("a prefix to delete must name a folder and end with a slash")
        await self.delete([item.key async for item in self.list_objects(prefix)])

    async def time(self) -> datetime:
        """What the store's own clock says, to the second, whether or not it takes our signatures.

        Raises `CapacityUnavailable` where it does not answer.
        """
        try:
            async with self._http.head(self._endpoint, allow_redirects=False) as response:
                return date_of(response.headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CapacityUnavailable("The object store does not answer.") from error

    async def ping(self) -> None:
        """Asks for the bucket. Raises `CapacityUnavailable` where it does not answer."""
        try:
            await self._call(self._internal.head_bucket, Bucket=self._bucket)
        except ClientError as error:
            raise CapacityUnavailable("The bucket does not answer.") from error

    async def _call(self, method: Any, **arguments: Any) -> Any:
        """Raises `ClientError` where a thing is missing, `CapacityUnavailable` for all else."""
        try:
            return await asyncio.to_thread(method, **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                raise
            raise _refused(str(error), "a call") from error
        except BotoCoreError as error:
            raise CapacityUnavailable("The object store does not answer.") from error


async def _words(response: aiohttp.ClientResponse) -> str:
    return (await response.content.read(_MAX_WORDS)).decode(errors="replace")


def _refused(words: str, what: str) -> CapacityUnavailable:
    """What a refusal means of something that was signed just now."""
    if any(sign in words for sign in _OF_THE_CLOCK):
        return CapacityUnavailable(
            f"The object store's clock is wrong, or ours: it refused {what}."
        )
    return CapacityUnavailable(f"The object store refused {what}.")


@asynccontextmanager
async def open_store(settings: SharedSettings) -> AsyncIterator[ObjectStore]:
    """The store of the settings, with its connections closed at the end."""
    # Its debug lines spell out every signature.
    logging.getLogger("botocore").setLevel(logging.INFO)
    timeout = aiohttp.ClientTimeout(total=_PUT_TIMEOUT_SECONDS, sock_connect=5)
    # Every request of this session goes to the one endpoint.
    proxy = proxy_to(settings.s3_internal_url)
    async with (
        open_credentials(settings) as credentials,
        aiohttp.ClientSession(timeout=timeout, trust_env=False, proxy=proxy) as http,
    ):
        internal = _client(settings, credentials)
        try:
            yield ObjectStore(internal, credentials, http, settings)
        finally:
            internal.close()


def _url_signer(
    settings: SharedSettings, credentials: SigningCredentials, endpoint: str
) -> UrlSigner:
    return UrlSigner(
        credentials,
        settings.s3_region,
        endpoint,
        settings.s3_bucket,
        addressing=settings.s3_addressing,
    )


def _client(settings: SharedSettings, credentials: SigningCredentials) -> S3Client:
    endpoint = settings.s3_internal_url
    proxy = proxy_to(endpoint)
    return boto3.Session(botocore_session=session_with(credentials)).client(
        "s3",
        endpoint_url=endpoint,
        region_name=settings.s3_region,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": settings.s3_addressing},
            # Never None: botocore would look for some itself, and knows no networks in NO_PROXY.
            proxies={urlsplit(endpoint).scheme: proxy} if proxy else {},
            connect_timeout=5,
            read_timeout=30,
            retries={"max_attempts": 2, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
