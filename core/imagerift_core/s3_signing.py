"""Presigned URLs, by botocore's signer without the client around it.

`generate_presigned_url` of a client resolves the endpoint by its rule set and serialises a whole
request each time, which costs several times the signature itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlencode

import botocore.auth
import botocore.signers
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from imagerift_core.clock import now

_SERVICE = "s3"
# Unreserved characters (RFC 3986, section 2.3) and the slashes between a key's parts.
_SAFE_IN_KEYS = "/~"


def _time_of_signing(remove_tzinfo: bool = True) -> datetime:
    return now().replace(tzinfo=None) if remove_tzinfo else now()


# It dates every signature, of URLs, of forms and of the client's own calls, and cannot be set.
for _module in (botocore.auth, botocore.signers):
    vars(_module)["get_current_datetime"] = _time_of_signing


class UrlSigner:
    """Signs URLs of one bucket at one endpoint, path style, Signature Version 4."""

    def __init__(self, credentials: Credentials, region: str, endpoint: str, bucket: str) -> None:
        self._credentials = credentials
        self._region = region
        self._base = f"{endpoint.rstrip('/')}/{quote(bucket, safe='')}/"

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
        auth = S3SigV4QueryAuth(self._credentials, _SERVICE, self._region, expires=seconds)
        auth.add_auth(request)
        signed: str = request.url or ""
        return signed
