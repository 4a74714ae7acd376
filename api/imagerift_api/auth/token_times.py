"""Whether a token is in force, by the clock that everything else goes by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
from imagerift_core import clock
from jwt.types import Options

# For `jwt.decode`, which would look at the wall clock.
NOT_BY_THE_WALL_CLOCK: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
# By how much the clock of whoever issued it may be ahead of ours.
_AHEAD_SECONDS = 30


def check_times(claims: Mapping[str, Any], *, leeway_seconds: int = 0) -> None:
    """Raises a `jwt.PyJWTError` where the token is not in force now; `leeway_seconds` are for how
    long it is taken after its end."""
    try:
        ends = int(claims["exp"])
        begins = max(int(claims["iat"]), int(claims.get("nbf", 0)))
    except (TypeError, ValueError, OverflowError):
        raise jwt.DecodeError from None
    at = clock.now().timestamp()
    if ends <= at - leeway_seconds:
        raise jwt.ExpiredSignatureError
    if begins > at + _AHEAD_SECONDS:
        raise jwt.ImmatureSignatureError
