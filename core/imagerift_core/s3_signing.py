"""Presigned URLs, by botocore's signer without the client around it.

`generate_presigned_url` of a client resolves the endpoint by its rule set and serialises a whole
request each time, which costs several times the signature itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit

import botocore.auth
import botocore.signers
from botocore.auth import S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from imagerift_core.clock import now
from imagerift_core.s3_credentials import SigningCredentials

_SERVICE = "s3"
# Unreserved characters (RFC 3986, section 2.3) and the slashes between a key's parts.
_SAFE_IN_KEYS = "/~"


def _time_of_signing(remove_tzinfo: bool = True) -> datetime:
    return now().replace(tzinfo=None) if remove_tzinfo else now()


# It dates every signature, of URLs, of forms and of the client's own calls, and cannot be set.
for _module in (botocore.auth, botocore.signers):
    vars(_module)["get_current_datetime"] = _time_of_signing


class UrlSigner:
    """Signs URLs of one bucket at one endpoint, Signature Version 4.

    What it signs holds no longer than the credentials do (`SigningCredentials.lifetime`), and it
    raises `CapacityUnavailable` where there are none.
    """

    def __init__(
        self,
        credentials: SigningCredentials,
        region: str,
        endpoint: str,
        bucket: str,
        *,
        addressing: Literal["path", "virtual"] = "path",
    ) -> None:
        self._credentials = credentials
        self._region = region
        self._bucket = bucket
        address = urlsplit(endpoint.rstrip("/"))
        if addressing == "virtual":
            self._base = f"{address.scheme}://{bucket}.{address.netloc}{address.path}/"
            self._form_url = self._base
        else:
            self._form_url = f"{endpoint.rstrip('/')}/{quote(bucket, safe='')}"
            self._base = f"{self._form_url}/"

    def sign(
        self,
        method: str,
        key: str,
        *,
        seconds: int,
        content_type: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        """A URL for one method on one key; the caller must send exactly `content_type`."""
        url = self._base + quote(key, safe=_SAFE_IN_KEYS)
        if query:
            url += "?" + urlencode(query, quote_via=quote)
        headers = {"Content-Type": content_type} if content_type else {}
        request = AWSRequest(method=method, url=url, headers=headers)
        keys, lifetime = self._credentials.get_frozen_credentials(), self.lifetime(seconds)
        auth = S3SigV4QueryAuth(keys, _SERVICE, self._region, expires=lifetime)
        auth.add_auth(request)
        signed: str = request.url or ""
        return signed

    def lifetime(self, seconds: int) -> int:
        """How many of `seconds` a URL holds that is signed now."""
        return self._credentials.lifetime(seconds)

    def form(
        self, key: str, fields: Mapping[str, str], conditions: list[Any], *, seconds: int
    ) -> tuple[str, dict[str, str]]:
        """Where to POST a file, and the fields with the policy that holds it to `conditions`."""
        ends = now() + timedelta(seconds=self.lifetime(seconds))
        request = AWSRequest(method="POST", url=self._form_url)
        signed = {**fields, "key": key}
        request.context["s3-presign-post-fields"] = signed
        request.context["s3-presign-post-policy"] = {
            "expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "conditions": [*conditions, {"bucket": self._bucket}, {"key": key}],
        }
        keys = self._credentials.get_frozen_credentials()
        S3SigV4PostAuth(keys, _SERVICE, self._region).add_auth(request)
        return self._form_url, signed
