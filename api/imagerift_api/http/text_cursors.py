"""Cursors of lists whose ids are texts: opaque to clients, checked whole when they come back."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta

from imagerift_core.errors import InvalidRequest

_FORM = re.compile(r"(\d{1,15}):([A-Za-z0-9_-]{1,64})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def encode_text_cursor(moment: datetime, identifier: str) -> str:
    """URL-safe characters for the place right after this entry."""
    text = f"{(moment - _EPOCH) // _MILLISECOND}:{identifier}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_text_cursor(text: str) -> tuple[datetime, str]:
    """The (moment, id) inside. Raises `InvalidRequest` for any other text."""
    try:
        padded = text + "=" * (-len(text) % 4)
        match = _FORM.fullmatch(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
        moment = _EPOCH + int(match[1]) * _MILLISECOND if match else None
    except (binascii.Error, ValueError, OverflowError):
        match = moment = None
    if match is None or moment is None:
        raise InvalidRequest("cursor must be the nextCursor of an earlier page.", param="cursor")
    return moment, match[2]
