"""Our presigned URLs are those that boto3's client makes."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from imagerift_core import s3_signing
from imagerift_core.s3_credentials import SigningCredentials
from imagerift_core.s3_signing import UrlSigner
from urllib3 import HTTPResponse

ENDPOINTS = ["http://127.0.0.1:8333", "https://store.example:9000/", "https://store.example/s3"]
KEYS = ["workspaces/ws_1/jobs/j/1/output-0.png", "a b/ä+~*'(x)", "//odd//key"]
BUCKET = "pictures.of-mine"
MOMENT = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_signing, "now", lambda: MOMENT)


WHO = SigningCredentials.fixed("who", "secret/+")


def client_at(endpoint: str, addressing: Any = "path") -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="who",
        aws_secret_access_key="secret/+",
        config=Config(signature_version="s3v4", s3={"addressing_style": addressing}, proxies={}),
    )


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("key", KEYS)
def test_a_url_is_the_one_that_the_client_makes(endpoint: str, key: str) -> None:
    client = client_at(endpoint)
    ours = UrlSigner(WHO, "eu-central-1", endpoint, BUCKET)
    named = {"Bucket": BUCKET, "Key": key}
    disposition = 'inline; filename="a ä+0.png"'

    def theirs(call: str, **more: str) -> str:
        url: str = client.generate_presigned_url(call, Params=named | more, ExpiresIn=61)
        return url

    assert ours.sign("GET", key, seconds=61) == theirs("get_object")
    assert ours.sign("PUT", key, seconds=61, content_type="image/png") == theirs(
        "put_object", ContentType="image/png"
    )
    assert ours.sign(
        "GET", key, seconds=61, query={"response-content-disposition": disposition}
    ) == theirs("get_object", ResponseContentDisposition=disposition)


def test_every_signature_is_dated_by_the_clock_that_all_else_goes_by() -> None:
    url = UrlSigner(WHO, "eu-central-1", ENDPOINTS[0], BUCKET).sign("GET", "key", seconds=61)
    assert parse_qs(urlsplit(url).query)["X-Amz-Date"] == ["20261122T120000Z"]

    client = client_at(ENDPOINTS[0])
    form = client.generate_presigned_post(BUCKET, "key", ExpiresIn=60)["fields"]
    assert form["x-amz-date"] == "20261122T120000Z"
    assert json.loads(base64.b64decode(form["policy"]))["expiration"] == "2026-11-22T12:01:00Z"

    sent = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        sent.append(request.headers["X-Amz-Date"])
        return AWSResponse(request.url, 200, HTTPHeaders(), HTTPResponse(io.BytesIO()))

    client.meta.events.register("before-send.s3.HeadBucket", answer)
    client.head_bucket(Bucket=BUCKET)
    assert sent == [b"20261122T120000Z"]


def test_a_bucket_in_the_host_is_where_the_client_puts_it() -> None:
    endpoint, bucket = "https://s3.eu-central-1.amazonaws.com", "pictures"
    client = client_at(endpoint, "virtual")
    ours = UrlSigner(WHO, "eu-central-1", endpoint, bucket, addressing="virtual")
    theirs = client.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": KEYS[1]}, ExpiresIn=61
    )
    assert ours.sign("GET", KEYS[1], seconds=61) == theirs
    assert theirs.startswith("https://pictures.s3.eu-central-1.amazonaws.com/")


@pytest.mark.parametrize("addressing", ["path", "virtual"])
def test_a_form_is_the_one_that_the_client_makes(addressing: Any) -> None:
    endpoint, bucket = "https://store.example:9000", "pictures"
    fields, conditions = {"Content-Type": "image/png"}, [{"Content-Type": "image/png"}]
    theirs = client_at(endpoint, addressing).generate_presigned_post(
        bucket, KEYS[1], Fields=dict(fields), Conditions=list(conditions), ExpiresIn=60
    )
    signer = UrlSigner(WHO, "eu-central-1", endpoint, bucket, addressing=addressing)
    url, ours = signer.form(KEYS[1], fields, conditions, seconds=60)
    assert (url.rstrip("/"), ours) == (theirs["url"].rstrip("/"), theirs["fields"])
