"""The bucket of the embedded S3 server."""

from __future__ import annotations

import aiohttp

from imagerift_local.errors import SetUpError
from imagerift_local.ports import LOOPBACK

TIMEOUT = aiohttp.ClientTimeout(total=10.0)


async def ensure_bucket(filer_port: int, bucket: str) -> None:
    """Makes the bucket when it is not there: SeaweedFS keeps buckets as folders of its filer.

    Raises:
        SetUpError: the filer refuses.
    """
    url = f"http://{LOOPBACK}:{filer_port}/buckets/{bucket}/"
    try:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            async with session.head(url) as present:
                if present.status == 200:
                    return
            # With a content type the filer would take it for the upload of a file.
            async with session.post(url, skip_auto_headers={"Content-Type"}) as made:
                if made.status not in {200, 201}:
                    raise SetUpError(f"bucket {bucket}: status {made.status}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SetUpError(f"bucket {bucket}: {error}") from error
