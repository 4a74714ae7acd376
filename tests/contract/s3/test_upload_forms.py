"""What a form lets its holder do: write one file, and nothing beside."""

from __future__ import annotations

from itertools import product
from typing import Any

import aiohttp
import pytest
from imagerift_core.s3 import ObjectStore, UploadForm

from tests.support.server_processes import S3Address

BYTES = b"not looked at by the store"
TYPE = "image/png"
EVIL = "https://evil.example/"
# Each would change the answer to the upload, or what the object is or does when it is read.
# Content-Language is not among them: SeaweedFS knows no condition on it, and nobody minds it.
FOREIGN = {
    "acl": "public-read",
    "Cache-Control": "public, max-age=31536000",
    "Content-Disposition": 'attachment; filename="x.html"',
    "Content-Encoding": "gzip",
    "Expires": "Thu, 01 Dec 2044 16:00:00 GMT",
    "redirect": EVIL,
    "success_action_redirect": EVIL,
    "success_action_status": "201",
    "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
    "x-amz-acl": "public-read",
    "x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"',
    "x-amz-meta-a": "b",
    "x-amz-object-lock-mode": "GOVERNANCE",
    "x-amz-server-side-encryption": "AES256",
    "x-amz-storage-class": "GLACIER",
    "x-amz-tagging": "a=b",
    "x-amz-website-redirect-location": EVIL,
}
# Of the moment, or of the object's own name.
_PASSING = {"date", "etag", "last-modified", "x-amz-request-id", "x-amz-id-2"}


def form_of(store: ObjectStore, key: str) -> UploadForm:
    return store.presign_post(key, content_type=TYPE, max_bytes=len(BYTES), seconds=60)


async def send(
    http: aiohttp.ClientSession, form: UploadForm, *, first: bool = False, **fields: str
) -> tuple[int, str | None]:
    """Status and `Location` of the form with other fields: in their places or, where they are
    to come `first`, before their own."""
    sent = aiohttp.FormData()
    pairs = [*form.fields.items(), *fields.items()]
    if first:
        pairs = [*fields.items(), *form.fields.items()]
    elif set(fields) <= set(form.fields):
        pairs = list((form.fields | fields).items())
    for name, value in pairs:
        sent.add_field(name, value)
    sent.add_field("file", BYTES, filename="a.png", content_type=TYPE)
    async with http.post(form.url, data=sent, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location")


async def state_of(http: aiohttp.ClientSession, store: ObjectStore, key: str) -> dict[str, Any]:
    """The headers that the object is read with."""
    async with http.get(store.presign_get(key, seconds=60), allow_redirects=False) as answer:
        assert answer.status == 200
        headers = {name.lower(): value for name, value in answer.headers.items()}
    return {name: value for name, value in headers.items() if name not in _PASSING}


async def test_a_form_as_it_is_writes_the_file(
    store: ObjectStore, prefix: str, http: aiohttp.ClientSession
) -> None:
    key = prefix + "source"
    assert await send(http, form_of(store, key)) == (204, None)
    assert await store.get(key, max_bytes=len(BYTES)) == BYTES
    assert (await state_of(http, store, key))["content-type"] == TYPE


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_foreign_field_is_refused_or_does_nothing(
    store: ObjectStore,
    prefix: str,
    http: aiohttp.ClientSession,
    s3_address: S3Address,
    name: str,
) -> None:
    plain = prefix + "plain"
    usual = await send(http, form_of(store, plain))
    for spelling, first in product((name, name.upper(), name.lower()), (False, True)):
        odd = f"{prefix}{spelling}-{first}"
        fields: dict[str, str] = {spelling: FOREIGN[name]}
        answer = await send(http, form_of(store, odd), first=first, **fields)

        if answer[0] >= 400:
            assert await store.get(odd, max_bytes=len(BYTES)) is None
            continue
        assert answer == usual, spelling
        assert await state_of(http, store, odd) == await state_of(http, store, plain)
        address = form_of(store, odd).url
        bucket = address.rstrip("/").rpartition("/")[2]
        assert s3_address.tags_of(bucket, odd) == []
        async with http.get(f"{address.rstrip('/')}/{odd}") as anonymous:
            assert anonymous.status == 403
