"""The bucket of the embedded S3 server."""

from __future__ import annotations

import time

import aiohttp
import jwt

from imagerift_local.errors import SetUpError
from imagerift_local.ports import LOOPBACK

TIMEOUT = aiohttp.ClientTimeout(total=10.0)
TOKEN_LIFE = 30


async def ensure_bucket(filer_port: int, bucket: str, jwt_key: str) -> None:
    """Makes the bucket when it is not there: SeaweedFS keeps buckets as folders of its filer.

    `jwt_key` signs the token that the filer asks for.

    Raises:
        SetUpError: the filer refuses.
    """
    token = jwt.encode({"exp": int(time.time()) + TOKEN_LIFE}, jwt_key, algorithm="HS256")
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.post(
                f"http://{LOOPBACK}:{filer_port}/buckets/{bucket}/",
                headers={"Authorization": f"Bearer {token}"},
                # With a content type the filer would take it for the upload of a file.
                skip_auto_headers={"Content-Type"},
            ) as response,
        ):
            if response.status not in {201, 409}:
                raise SetUpError(f"bucket {bucket}: status {response.status}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SetUpError(f"bucket {bucket}: {error}") from error
