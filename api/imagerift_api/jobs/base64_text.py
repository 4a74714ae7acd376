"""Pictures as base64 text, in every form that base64 encoders write."""

from __future__ import annotations

import binascii
import re
import time

from imagerift_core.errors import InvalidRequest, PayloadTooLarge
from imagerift_core.images import MAX_IMAGE_BYTES

_DATA_URL = re.compile(r"data:[^,]{0,256};base64,", re.IGNORECASE)
_PART_LETTERS = 64 * 1024
_LINE_BREAKS = b"\r\n\t"
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def decode_base64(text: str, *, param: str) -> bytes:
    """The bytes of a base64 text, or of a base64 data URL.

    Taken are both alphabets (RFC 4648, sections 4 and 5), with or without padding, on one line or
    on many. Refused is what could mean two things: both alphabets in one text, and a space within
    it, which may be a plus sign that went through a form. Raises `InvalidRequest`, or
    `PayloadTooLarge` before anything is decoded.
    """
    text = text.strip()
    if text[:5].lower() == "data:":
        match = _DATA_URL.match(text)
        if match is None:
            raise InvalidRequest(
                "A data URL must have the form data:image/png;base64,...", param=param
            )
        text = text[match.end() :].lstrip()
    letters = _letters(text, param)
    if len(letters) // 4 * 3 - 2 > MAX_IMAGE_BYTES:
        raise PayloadTooLarge(
            f"The image may have at most {MAX_IMAGE_BYTES} bytes (20 MiB) once decoded.",
            param=param,
        )
    try:
        data = _decoded(letters)
    except ValueError:
        raise InvalidRequest(
            f"{param} is not valid base64: it is cut off, or holds something that is no base64.",
            param=param,
        ) from None
    if not data:
        raise InvalidRequest(f"{param} is empty.", param=param)
    return data


def _decoded(letters: bytes) -> bytes:
    """Raises `ValueError` for what is no base64.

    Decoding holds the interpreter's lock, 40 ms for a camera's picture; between two parts others
    have it.
    """
    last = max(0, len(letters) - 1) // _PART_LETTERS * _PART_LETTERS
    if letters.find(b"=", 0, last + 1) >= 0:
        # Padding before the end, of which each part by itself would say nothing.
        last = 0
    size = _PART_LETTERS if last else max(1, len(letters))
    parts = []
    for start in range(0, len(letters), size):
        parts.append(binascii.a2b_base64(letters[start : start + size], strict_mode=True))
        time.sleep(0)
    return b"".join(parts)


def _letters(text: str, param: str) -> bytes:
    """The text on one line, in the standard alphabet, padded."""
    letters = text.encode("ascii", "replace")
    if any(letter in letters for letter in _LINE_BREAKS):
        letters = letters.translate(None, _LINE_BREAKS)
    if b" " in letters:
        raise InvalidRequest(
            f"{param} has a space in it; a plus sign that went through a form becomes one.",
            param=param,
        )
    if b"-" in letters or b"_" in letters:
        if b"+" in letters or b"/" in letters:
            raise InvalidRequest(
                f"{param} mixes the two alphabets of base64: + and / with - and _.", param=param
            )
        letters = letters.translate(_TO_STANDARD)
    return letters if letters.endswith(b"=") else letters + b"=" * (-len(letters) % 4)
