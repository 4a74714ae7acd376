"""The cookies that this installation sets, all by one rule.

Where browsers come by https alone, their names begin with `__Host-`: a browser takes such a cookie
over https only, for this very host and all of its paths, so that neither a neighbour's host nor a
connection in the clear can plant one (RFC 6265bis, section 4.1.3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aiohttp import web

SESSION = "imagerift_session"
DEVICE = "imagerift_device"
SIGN_IN = "imagerift_sign_in"
# The account page sets it for somebody who comes with an invitation and is not signed in.
INVITATION = "imagerift_invitation"
_PREFIX = "__Host-"
_PATH = "/"


@dataclass(frozen=True)
class Cookies:
    """`secure`: browsers reach this installation by https alone."""

    secure: bool

    def name_of(self, cookie: str) -> str:
        """The name that browsers know the cookie by."""
        return f"{_PREFIX}{cookie}" if self.secure else cookie

    def get(self, request: web.Request, cookie: str) -> str | None:
        return request.cookies.get(self.name_of(cookie))

    def set(
        self,
        response: web.StreamResponse,
        cookie: str,
        value: str,
        *,
        seconds: int,
        samesite: Literal["Lax", "Strict"] = "Lax",
    ) -> None:
        """Sets a cookie that no script reads."""
        response.set_cookie(
            self.name_of(cookie),
            value,
            max_age=seconds,
            path=_PATH,
            httponly=True,
            samesite=samesite,
            secure=self.secure,
        )

    def delete(self, response: web.StreamResponse, cookie: str) -> None:
        # Without `Secure` a browser would not take the deletion either.
        response.del_cookie(self.name_of(cookie), path=_PATH, secure=self.secure)
