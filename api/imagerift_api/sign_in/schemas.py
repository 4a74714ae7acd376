"""What signing in takes, and what it answers."""

from __future__ import annotations

from pydantic import Field

from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.shapes import AnswerBody


class SignInBody(RequestBody):
    """A name and password of the built-in issuer."""

    name: str = Field(max_length=100)
    password: str = Field(max_length=1024)


class SignInWays(AnswerBody):
    """How one can sign in here. `oidcUrl` is where a browser begins."""

    password: bool
    oidc_url: str | None
