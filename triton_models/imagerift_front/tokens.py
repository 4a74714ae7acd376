"""Who may call: bearers of a token that a file holds."""

import hashlib
import hmac
from pathlib import Path

SHORTEST = 32


class TokenFile:
    """The tokens of a file, one a line; read again whenever the file changes.

    With two lines a token is replaced without a call refused: the new one first, both here, then
    the new one at the callers, then it alone.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError where there is no such file, ValueError where it holds no token."""
        self._path = path
        self._seen = self._state()
        self._digests = self._read()

    def admits(self, authorization: str | None) -> bool:
        """Whether the value of an Authorization header bears one of the tokens."""
        self._follow()
        scheme, _, given = (authorization or "").partition(" ")
        digest = _digest(given.strip().encode("utf-8", "surrogateescape"))
        # Each is compared, whichever fits, and each in the same time.
        fitting = sum(hmac.compare_digest(digest, known) for known in self._digests)
        return scheme.lower() == "bearer" and fitting > 0

    def _follow(self) -> None:
        try:
            seen = self._state()
            if seen != self._seen:
                self._digests, self._seen = self._read(), seen
        except (OSError, ValueError):
            return  # What was known stays known until there is a whole file again.

    def _state(self) -> tuple[int, int]:
        state = self._path.stat()
        return state.st_mtime_ns, state.st_size

    def _read(self) -> list[bytes]:
        tokens = self._path.read_bytes().split()
        if not tokens or any(len(token) < SHORTEST for token in tokens):
            raise ValueError(f"{self._path}: holds no token of {SHORTEST} characters or more")
        return [_digest(token) for token in tokens]


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
