"""Who may have an account of their own here, of those whom an issuer vouches for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SignUpRule:
    """Nobody new, unless they are on one of the lists or it is `open`. Invited people always may.

    `email_domains` are in lower case, of addresses that the issuer has verified; `claims` are
    (name, value), of which one must be, or be among, what the issuer says.
    """

    open: bool = False
    email_domains: frozenset[str] = frozenset()
    claims: Iterable[tuple[str, str]] = field(default_factory=tuple)

    def admits(self, claims: Mapping[str, Any]) -> bool:
        """Whether the person of these claims of an ID token may sign up."""
        return (
            self.open
            or self._domain_of(claims) in self.email_domains
            or any(value in _texts(claims.get(name)) for name, value in self.claims)
        )

    def _domain_of(self, claims: Mapping[str, Any]) -> str | None:
        email = claims.get("email")
        # Some issuers write the claim as a text, which OpenID Connect Core 5.1 does not permit.
        if claims.get("email_verified") is not True or not isinstance(email, str):
            return None
        return email.rpartition("@")[2].lower()


def _texts(claim: Any) -> list[str]:
    """A claim as a list of texts: one, several, or none."""
    said = claim if isinstance(claim, list) else [claim]
    return [str(one) for one in said if isinstance(one, str | int) and not isinstance(one, bool)]
