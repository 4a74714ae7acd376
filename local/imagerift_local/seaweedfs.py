"""What SeaweedFS is told: its users, how its own parts know each other, and the bucket."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from string import Template

import aiohttp
import jwt
import yaml

from imagerift_local.errors import SetUpError
from imagerift_local.pki import KeyPair
from imagerift_local.ports import LOOPBACK
from imagerift_local.secrets import PlatformSecrets
from imagerift_local.settings import CHECKOUT

# The chart's own.
IDENTITIES = CHECKOUT / "charts" / "imagerift" / "files" / "seaweedfs-identities.yaml"
SECURITY = Path(__file__).with_name("seaweedfs-security.toml")
TIMEOUT = aiohttp.ClientTimeout(total=10.0)
TOKEN_LIFE = 30


def build_identities(bucket: str, own: PlatformSecrets) -> str:
    """The list of users: the services, for that bucket, and the administrator."""
    text = Template(IDENTITIES.read_text()).substitute(asdict(own), bucket=bucket)
    return json.dumps(yaml.safe_load(text))


def build_security_settings(jwt_key: str, authority: KeyPair, holder: KeyPair) -> str:
    """The file security.toml: its internal ports want certificates or tokens."""
    return SECURITY.read_text().format(jwt_key=jwt_key, authority=authority, holder=holder)


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
