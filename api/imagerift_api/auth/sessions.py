"""Who is signed in: from the cookie to a person, their role and their workspace's plan."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass

from aiohttp import hdrs, web
from imagerift_core.errors import (
    CrossSiteRequest,
    InvalidRequest,
    InvalidSession,
    RoleNotPermitted,
)
from imagerift_core.mongo.account_log import Actor
from imagerift_core.mongo.members import Member, MemberStore
from imagerift_core.mongo.people import Person, PersonStore
from imagerift_core.mongo.sign_ins import SignInStore
from imagerift_core.mongo.workspaces import Workspace, WorkspaceStore
from imagerift_core.plans import Plan, Plans
from imagerift_core.roles import Permission, may

from imagerift_api.auth.session_tokens import SESSION_HOURS, SessionClaims, SessionTokens
from imagerift_api.settings import ApiSettings

COOKIE = "imagerift_session"
CSRF_HEADER = "X-CSRF-Token"
_SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_SIGN_IN = "Sign in first."


@dataclass(frozen=True)
class SignedIn:
    """A person at work in one of their workspaces, as of this request."""

    claims: SessionClaims
    person: Person
    member: Member
    workspace: Workspace
    plan: Plan | None
    address: str | None

    @property
    def actor(self) -> Actor:
        return Actor(kind="person", id=self.person.id, name=self.person.name, address=self.address)

    def require(self, permission: Permission) -> None:
        """Raises `RoleNotPermitted`."""
        if not may(self.member.role, permission):
            raise RoleNotPermitted(f"The role '{self.member.role}' does not permit this.")


class Sessions:
    """Opens, reads and ends account sessions."""

    def __init__(
        self,
        *,
        sign_ins: SignInStore,
        people: PersonStore,
        members: MemberStore,
        workspaces: WorkspaceStore,
        plans: Plans,
        settings: ApiSettings,
    ) -> None:
        self.tokens = SessionTokens(settings.session_secret())
        self._sign_ins = sign_ins
        self._people = people
        self._members = members
        self._workspaces = workspaces
        self._plans = plans
        self._public_url = settings.public_url
        self._is_https = settings.is_https
        self._hops = settings.forwarded_hops

    async def signed_in(self, request: web.Request) -> SignedIn:
        """Who makes `request`; a change must come from this installation's own pages.

        Role and plan are read anew each time. Raises `InvalidSession` or `CrossSiteRequest`.
        """
        token = request.cookies.get(COOKIE)
        if not token:
            raise InvalidSession(_SIGN_IN)
        claims = self.tokens.read(token)
        if request.method not in _SAFE_METHODS:
            self.require_same_origin(request)
            if not self.tokens.csrf_matches(claims.session, request.headers.get(CSRF_HEADER)):
                raise CrossSiteRequest(f"The header {CSRF_HEADER} must hold the session's token.")
        ended, person, member, workspace = await asyncio.gather(
            self._sign_ins.is_ended(claims.session),
            self._people.get(claims.person),
            self._members.get(claims.workspace, claims.person),
            self._workspaces.get(claims.workspace),
        )
        if ended or person is None or member is None or workspace is None:
            raise InvalidSession("The session has ended. Sign in again.")
        return SignedIn(
            claims=claims,
            person=person,
            member=member,
            workspace=workspace,
            plan=self._plans.get(workspace.plan),
            address=self.address_of(request),
        )

    def origin_of(self, request: web.Request) -> str:
        """The origin of this installation's pages, such as `https://images.example.com`.

        Raises `InvalidRequest` where it is as asked, and the `Host` is no host's name.
        """
        if self._public_url is not None:
            return self._public_url
        if not request.host.isascii():
            raise InvalidRequest("Host must be ASCII.", param=hdrs.HOST)
        return f"{request.scheme}://{request.host}".lower()

    def require_same_origin(self, request: web.Request) -> None:
        """Raises `CrossSiteRequest` unless `Origin` names this installation."""
        if request.headers.get(hdrs.ORIGIN, "").lower() != self.origin_of(request):
            raise CrossSiteRequest("The request's Origin is not this installation's own.")

    def address_of(self, request: web.Request) -> str | None:
        """The network address that the request came from, as the trusted proxies tell it."""
        if not self._hops:
            return request.remote
        told = [
            part.strip()
            for line in request.headers.getall(hdrs.X_FORWARDED_FOR, [])
            for part in line.split(",")
        ]
        if len(told) < self._hops:
            return request.remote
        try:
            return str(ipaddress.ip_address(told[-self._hops]))
        except ValueError:
            return request.remote

    def open(self, response: web.StreamResponse, person: str, workspace: str) -> None:
        """Sets the cookie of a new session."""
        response.set_cookie(
            COOKIE,
            self.tokens.issue(person, workspace),
            max_age=SESSION_HOURS * 3600,
            path="/",
            httponly=True,
            samesite="Lax",
            secure=self.is_secure,
        )

    async def end(self, response: web.StreamResponse, claims: SessionClaims) -> None:
        """Ends the session on every replica and takes the cookie away."""
        await self._sign_ins.end_session(claims.session, expires_at=claims.expires_at)
        response.del_cookie(COOKIE, path="/")

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach this installation by https alone."""
        return self._is_https
