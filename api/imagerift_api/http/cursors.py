"""Cursors of list pages: opaque to clients, checked whole when they come back.

A cursor holds the place of a page's last job: its creation time and its id. It grants
nothing, since every page is read within the caller's own workspace.
"""

from __future__ import annotations

import base64
import binascii
import struct
import uuid
from datetime import UTC, datetime, timedelta

from imagerift_core.errors import InvalidRequest

_FORM = struct.Struct(">Q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def encode_cursor(created_at: datetime, job_id: str) -> str:
    """32 URL-safe characters for the place right after this job."""
    milliseconds = (created_at - _EPOCH) // _MILLISECOND
    packed = _FORM.pack(milliseconds, uuid.UUID(job_id).bytes)
    return base64.urlsafe_b64encode(packed).decode()


def decode_cursor(text: str) -> tuple[datetime, str]:
    """The (creation time, job id) inside. Raises `InvalidRequest` for any other text."""
    try:
        packed = base64.b64decode(text, altchars=b"-_", validate=True)
        milliseconds, identifier = _FORM.unpack(packed)
        return _EPOCH + milliseconds * _MILLISECOND, str(uuid.UUID(bytes=identifier))
    except (binascii.Error, struct.error, ValueError, OverflowError):
        raise InvalidRequest(
            "cursor must be the nextCursor of an earlier page.", param="cursor"
        ) from None
