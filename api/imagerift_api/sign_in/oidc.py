"""OpenID Connect as a relying party: authorization code with PKCE, state and nonce.

Source: OpenID Connect Core 1.0, section 3.1; RFC 7636 (PKCE); RFC 9207 (issuer in the answer).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
import jwt
import orjson
import structlog
from imagerift_core.errors import CapacityUnavailable, SignInFailed
from imagerift_core.proxies import proxy_to

from imagerift_api.auth.token_times import NOT_BY_THE_WALL_CLOCK, check_times
from imagerift_api.sign_in.sign_up import SignUpRule

_log = structlog.get_logger()
# Fixed here: what a token's header says never widens it, and no symmetric one is among them.
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
_SCOPE = "openid profile email"
_LEEWAY_SECONDS = 30
_KEYS_SECONDS = 600.0
_REFETCH_SECONDS = 5.0
_MAX_ANSWER_BYTES = 1024 * 1024
_FAILED = "The issuer's answer could not be verified."


@dataclass(frozen=True)
class Identity:
    """Whom an issuer vouches for. Issuer and subject identify; name and e-mail are for show.

    `may_sign_up`: whether they may have an account of their own, should they have none.
    """

    issuer: str
    subject: str
    name: str
    email: str | None = None
    may_sign_up: bool = False


@dataclass(frozen=True)
class _Metadata:
    authorization: str
    token: str
    keys: str


class OidcIssuer:
    """One issuer, and this installation as its client."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        issuer: str,
        client_id: str,
        client_secret: str | None,
        redirect_uri: str,
        sign_up: SignUpRule,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri
        self._sign_up = sign_up
        self._monotonic = monotonic
        self._known: _Metadata | None = None
        self._keys: dict[str, jwt.PyJWK] = {}
        self._keys_read_at = float("-inf")
        self._lock = asyncio.Lock()

    @property
    def issuer(self) -> str:
        return self._issuer

    async def authorization_url(self, *, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to sign in. Raises `CapacityUnavailable`."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": _SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        endpoint = (await self._metadata()).authorization
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def redeem(self, code: str, *, verifier: str, nonce: str) -> Identity:
        """The identity behind an authorization code.

        Raises `SignInFailed`, or `CapacityUnavailable` where the issuer does not answer.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
            "client_id": self._client_id,
        }
        if self._client_secret is not None:
            form["client_secret"] = self._client_secret
        answer = await self._ask("POST", (await self._metadata()).token, data=form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInFailed("The issuer did not accept the sign-in.")
        return self._identity(await self._verified(token), nonce)

    def _identity(self, claims: dict[str, Any], nonce: str) -> Identity:
        sent = claims.get("nonce")
        if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), nonce.encode()):
            raise SignInFailed(_FAILED)
        audience = claims["aud"]
        party = claims.get("azp")
        if (isinstance(audience, list) and len(audience) > 1 and party is None) or (
            party is not None and party != self._client_id
        ):
            raise SignInFailed(_FAILED)
        email = claims.get("email")
        email = email if isinstance(email, str) else None
        name = claims.get("name") or claims.get("preferred_username") or email or claims["sub"]
        return Identity(
            issuer=self._issuer,
            subject=str(claims["sub"]),
            name=str(name)[:200],
            email=email,
            may_sign_up=self._sign_up.admits(claims),
        )

    async def _verified(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if algorithm not in ALGORITHMS:
                raise SignInFailed(_FAILED)
            key = await self._key(key_id)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=self._client_id,
                options={"require": ["iss", "sub", "aud", "exp", "iat"], **NOT_BY_THE_WALL_CLOCK},
            )
            check_times(claims, leeway_seconds=_LEEWAY_SECONDS)
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            _log.warning("id_token_refused", reason=type(error).__name__)
            raise SignInFailed(_FAILED) from None
        return claims

    async def _key(self, key_id: Any) -> jwt.PyJWK:
        """The issuer's key of that id, read anew where it is not known: issuers rotate."""
        async with self._lock:
            age = self._monotonic() - self._keys_read_at
            if age > _KEYS_SECONDS or (key_id not in self._keys and age > _REFETCH_SECONDS):
                document = await self._ask("GET", (await self._metadata()).keys)
                self._keys = _signing_keys(document)
                self._keys_read_at = self._monotonic()
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        key = self._keys.get(key_id)
        if key is None:
            raise SignInFailed(_FAILED)
        return key

    async def _metadata(self) -> _Metadata:
        if self._known is None:
            address = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
            document = await self._ask("GET", address)
            if document.get("issuer") != self._issuer:
                raise CapacityUnavailable("The issuer's metadata names another issuer.")
            try:
                self._known = _Metadata(
                    authorization=str(document["authorization_endpoint"]),
                    token=str(document["token_endpoint"]),
                    keys=str(document["jwks_uri"]),
                )
            except KeyError:
                raise CapacityUnavailable("The issuer's metadata is not complete.") from None
        return self._known

    async def _ask(self, method: str, address: str, **arguments: Any) -> dict[str, Any]:
        try:
            async with self._http.request(
                method, address, allow_redirects=False, proxy=proxy_to(address), **arguments
            ) as response:
                if response.status >= 500:
                    raise CapacityUnavailable("The issuer does not answer.")
                body = await response.content.read(_MAX_ANSWER_BYTES)
                if response.status != 200:
                    raise SignInFailed("The issuer did not accept the sign-in.")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CapacityUnavailable("The issuer does not answer.") from error
        return _object(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise SignInFailed(_FAILED)
    return document


def _signing_keys(document: dict[str, Any]) -> dict[str, jwt.PyJWK]:
    found: dict[str, jwt.PyJWK] = {}
    listed = document.get("keys")
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        if key.algorithm_name in ALGORITHMS:
            found[str(entry.get("kid"))] = key
    return found
