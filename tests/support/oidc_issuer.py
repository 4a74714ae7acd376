"""A small OpenID Connect issuer on loopback, real enough to be signed in at.

It checks what an issuer checks (redirect address, PKCE, one use of each code) and lets a test
bend one thing at a time.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.server_processes import free_port


@dataclass
class _Grant:
    nonce: str
    challenge: str
    redirect_uri: str


@dataclass
class Issuer:
    """`claims` and `header` change what tokens say; `algorithm` and `key` how they are signed."""

    client_id: str = "imagerift-test"
    client_secret: str = "s3cret-of-the-client"
    subject: str = "ada"
    claims: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    algorithm: str = "RS256"
    forged_key: Any = None
    jwks_reads: int = 0

    def __post_init__(self) -> None:
        self._grants: dict[str, _Grant] = {}
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.rotate()

    def rotate(self) -> None:
        """A new signing key; the old one is no longer published."""
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = secrets.token_hex(4)

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/.well-known/openid-configuration", self._metadata)
        application.router.add_get("/authorize", self._authorize)
        application.router.add_post("/token", self._token)
        application.router.add_get("/keys", self._keys)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._runner.cleanup()

    async def _metadata(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
            }
        )

    async def _authorize(self, request: web.Request) -> web.Response:
        query = request.query
        assert query["response_type"] == "code"
        assert query["client_id"] == self.client_id
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._grants[code] = _Grant(query["nonce"], query["code_challenge"], query["redirect_uri"])
        location = f"{query['redirect_uri']}?code={code}&state={query['state']}&iss={self.url}"
        return web.Response(status=302, headers={"Location": location})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        grant = self._grants.pop(str(form.get("code")), None)
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            grant is None
            or grant.challenge != challenge
            or grant.redirect_uri != form.get("redirect_uri")
            or form.get("client_secret") != self.client_secret
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"id_token": self._id_token(grant.nonce), "token_type": "Bearer"})

    def _id_token(self, nonce: str) -> str:
        at = datetime.now(UTC)
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": self.client_id,
            "sub": self.subject,
            "nonce": nonce,
            "iat": at,
            "exp": at + timedelta(minutes=5),
            "name": "Ada Lovelace",
            "email": "ada@example.com",
        } | self.claims
        claims = {name: value for name, value in claims.items() if name not in self.without}
        key = self.forged_key if self.forged_key is not None else self.key
        return jwt.encode(
            claims,
            "" if self.algorithm == "none" else key,
            algorithm=self.algorithm,
            headers={"kid": self.key_id},
        )

    async def _keys(self, _request: web.Request) -> web.Response:
        self.jwks_reads += 1
        described = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return web.json_response(
            {"keys": [described | {"kid": self.key_id, "use": "sig", "alg": "RS256"}]}
        )
