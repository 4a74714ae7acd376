"""Secrets of the embedded platform: generated once, kept in a file of mode 0600."""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from imagerift_local.errors import PlatformError
from imagerift_local.files import write_private


@dataclass(frozen=True, repr=False)
class PlatformSecrets:
    """Random values, each as hex; `repr` hides them so that no log can hold one.

    `key_pepper` goes into the hashes of API keys, `jwt_key` signs the tokens between the parts of
    the S3 server, and the S3 keys are those of its one user.
    """

    key_pepper: str
    jwt_key: str
    s3_access_key: str
    s3_secret_key: str

    @property
    def model_token(self) -> str:
        """By which model servers know the operator."""
        return hmac.new(self.key_pepper.encode(), b"model servers", "sha256").hexdigest()


def load_secrets(path: Path) -> PlatformSecrets:
    """The secrets in `path`; generates and writes them when the file does not exist.

    Raises:
        PlatformError: the file can be read by others, or is not what was written.
    """
    if not path.exists():
        created = PlatformSecrets(*map(secrets.token_hex, (32, 32, 10, 32)))
        write_private(path, json.dumps(asdict(created), indent=2))
        return created
    if path.stat().st_mode & 0o077:
        raise PlatformError(f"{path} can be read by others: chmod 600 it, or make reset")
    try:
        return PlatformSecrets(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise PlatformError(f"{path} is damaged: restore it, or make reset") from error
