"""Cursors of list pages: opaque to clients, checked whole when they come back.

A cursor holds the place of a page's last entry: its moment and its id. It grants nothing, since
every page is read within the caller's own workspace.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta

from imagerift_core.errors import InvalidRequest

_ID = re.compile(r"[A-Za-z0-9_:-]{1,64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MOMENT_BYTES = 8


def encode_cursor(moment: datetime, identifier: str) -> str:
    """URL-safe characters for the place right after this entry; 59 of them for a UUID."""
    milliseconds = (moment - _EPOCH) // _MILLISECOND
    packed = milliseconds.to_bytes(_MOMENT_BYTES, "big") + identifier.encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode_cursor(text: str) -> tuple[datetime, str]:
    """The (moment, id) inside. Raises `InvalidRequest` for any other text."""
    try:
        padded = text + "=" * (-len(text) % 4)
        packed = base64.b64decode(padded, altchars=b"-_", validate=True)
        moment = _EPOCH + int.from_bytes(packed[:_MOMENT_BYTES], "big") * _MILLISECOND
        identifier = packed[_MOMENT_BYTES:].decode("ascii")
    except (binascii.Error, ValueError, OverflowError):
        moment, identifier = _EPOCH, ""
    if not _ID.fullmatch(identifier) or encode_cursor(moment, identifier) != text:
        raise InvalidRequest("cursor must be the nextCursor of an earlier page.", param="cursor")
    return moment, identifier


def encode_id_cursor(identifier: str | None) -> str | None:
    """URL-safe characters for the place right after this id, in a list in the order of ids."""
    return None if identifier is None else encode_cursor(_EPOCH, identifier)


def decode_id_cursor(text: str | None) -> str:
    """The id inside, or the place before all ids. Raises `InvalidRequest` for any other text."""
    return "" if text is None else decode_cursor(text)[1]
