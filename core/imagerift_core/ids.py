"""Identifiers: UUIDs for jobs, a prefix and random base-62 characters for everything else."""

from __future__ import annotations

import random
import secrets
import string
import time
import uuid

BASE62 = string.digits + string.ascii_letters
UPLOAD_PREFIX = "img_"
ID_CHARACTERS = 20
# Seeded from the operating system once a process.
_unguarded = random.Random()  # noqa: S311


def random_base62(length: int) -> str:
    """`length` characters from a cryptographic source, about 5.95 bits each."""
    chosen: list[str] = []
    while len(chosen) < length:
        # 248 is the largest multiple of 62 in a byte: above it some characters would be likelier.
        chosen += [BASE62[byte % 62] for byte in secrets.token_bytes(2 * length) if byte < 248]
    return "".join(chosen[:length])


def new_job_id() -> str:
    return str(uuid.uuid4())


def new_generation_id() -> str:
    return str(uuid.uuid4())


def new_request_id() -> str:
    """An id for logs and support; it opens nothing, so it needs no secret randomness."""
    return "req_" + "".join(_unguarded.choices(BASE62, k=ID_CHARACTERS))


def new_workspace_id() -> str:
    return "ws_" + random_base62(ID_CHARACTERS)


def new_batch_id() -> str:
    return str(uuid.uuid4())


def new_upload_id() -> str:
    return UPLOAD_PREFIX + random_base62(ID_CHARACTERS)


def is_job_id(text: str) -> bool:
    """Whether `text` is a UUID in its canonical lower-case form."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def new_person_id() -> str:
    return "usr_" + random_base62(ID_CHARACTERS)


def new_session_id() -> str:
    return "ses_" + random_base62(ID_CHARACTERS)


def new_invitation_id() -> str:
    return "inv_" + random_base62(ID_CHARACTERS)


def new_log_id() -> str:
    """An id that sorts by when it was made, so that entries of one millisecond keep their order."""
    return f"log_{time.time_ns():016x}{random_base62(8)}"


def new_webhook_id() -> str:
    return "whk_" + random_base62(ID_CHARACTERS)
