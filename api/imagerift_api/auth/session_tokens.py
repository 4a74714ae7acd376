"""The account session as a token: a JWT of one fixed algorithm, and its token against forgery."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

import jwt
from imagerift_core.errors import InvalidSession
from imagerift_core.mongo.sessions import AccountSession

from imagerift_api.auth.token_times import NOT_BY_THE_WALL_CLOCK, check_times

_ALGORITHM = "HS256"
_ISSUER = "imagerift"
_AUDIENCE = "imagerift-account"
_REQUIRED = ["iss", "aud", "sub", "ws", "jti", "iat", "exp"]


@dataclass(frozen=True)
class SessionClaims:
    """What a session's token says: who, and in which workspace. Role and plan are not in it."""

    session: str
    person: str
    workspace: str
    expires_at: datetime


class SessionTokens:
    """Issues and reads session tokens. `key` has at least 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, session: AccountSession, workspace: str) -> str:
        """The token of `session`, at work in `workspace`."""
        return jwt.encode(
            {
                "iss": _ISSUER,
                "aud": _AUDIENCE,
                "sub": session.person,
                "ws": workspace,
                "jti": session.id,
                "iat": session.created_at,
                "exp": session.expires_at,
            },
            self._key,
            algorithm=_ALGORITHM,
        )

    def read(self, token: str) -> SessionClaims:
        """Raises `InvalidSession` for anything but a live token of `issue`."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                audience=_AUDIENCE,
                options={"require": _REQUIRED, **NOT_BY_THE_WALL_CLOCK},
            )
            check_times(claims)
        except (jwt.PyJWTError, UnicodeError):
            # The library encodes the token before it looks at it, and a header may hold any byte.
            raise InvalidSession("Sign in again.") from None
        return SessionClaims(
            session=str(claims["jti"]),
            person=str(claims["sub"]),
            workspace=str(claims["ws"]),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        )

    def csrf_token(self, session: str) -> str:
        """The value of `X-CSRF-Token` for this session."""
        return hmac.new(self._key, b"csrf:" + session.encode(), hashlib.sha256).hexdigest()

    def csrf_matches(self, session: str, sent: str | None) -> bool:
        if sent is None:
            return False
        # A header may hold any byte; this is how the framework keeps what is no text.
        received = sent.encode(errors="surrogateescape")
        return hmac.compare_digest(self.csrf_token(session).encode(), received)
