"""Secrets of the embedded platform: generated once, kept in a file of mode 0600."""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from imagerift_local.errors import PlatformError
from imagerift_local.files import write_json


@dataclass(frozen=True, repr=False)
class PlatformSecrets:
    """Random values; `repr` hides them so that no log can hold one.

    `key_pepper` goes into the hashes of API keys, `jwt_key` signs the tokens between the parts of
    the S3 server. The S3 keys and the password of MongoDB are the API's and the operator's; the
    administrators of both stores have keys of their own, which no other program is told. People
    type `demo_password`; the API has its hash alone.
    """

    key_pepper: str
    jwt_key: str
    s3_access_key: str
    s3_secret_key: str
    # Folders of earlier versions have none of these.
    s3_administrator_key: str = field(default_factory=lambda: secrets.token_hex(32))
    mongod_key: str = field(default_factory=lambda: secrets.token_hex(32))
    mongo_password: str = field(default_factory=lambda: secrets.token_hex(32))
    demo_password: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def model_token(self) -> str:
        """By which model servers know the operator."""
        return hmac.new(self.key_pepper.encode(), b"model servers", "sha256").hexdigest()

    @property
    def admin_token(self) -> str:
        """By which the API knows administrators."""
        return hmac.new(self.key_pepper.encode(), b"administrators", "sha256").hexdigest()


def load_secrets(path: Path) -> PlatformSecrets:
    """The secrets in `path`; generates and writes what is not there.

    Raises:
        PlatformError: the file can be read by others, or is not what was written.
    """
    if not path.exists():
        known = PlatformSecrets(*map(secrets.token_hex, (32, 32, 10, 32)))
    elif path.stat().st_mode & 0o077:
        raise PlatformError(f"{path} can be read by others: chmod 600 it, or make reset")
    else:
        try:
            known = PlatformSecrets(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise PlatformError(f"{path} is damaged: restore it, or make reset") from error
    write_json(path, asdict(known))
    return known
