"""Who is signed in: from the cookie to a person, their role and their workspace's plan."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import hdrs, web
from imagerift_core import clock
from imagerift_core.errors import (
    CrossSiteRequest,
    InvalidRequest,
    InvalidSession,
    RoleNotPermitted,
)
from imagerift_core.ids import new_session_id
from imagerift_core.mongo.account_log import Actor
from imagerift_core.mongo.members import Member, MemberStore
from imagerift_core.mongo.people import Person, PersonStore
from imagerift_core.mongo.sessions import AccountSession, SessionStore
from imagerift_core.mongo.workspaces import Workspace, WorkspaceStore
from imagerift_core.plans import Plan, Plans
from imagerift_core.roles import Permission, may

from imagerift_api.auth.cookies import SESSION, Cookies
from imagerift_api.auth.session_tokens import SessionClaims, SessionTokens
from imagerift_api.settings import ApiSettings

CSRF_HEADER = "X-CSRF-Token"
_SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_SIGN_IN = "Sign in first."
_ENDED = "The session has ended. Sign in again."
# How exact `last_used_at` is; more would be a write a request.
_USED_AGAIN = timedelta(minutes=5)
_MAX_USER_AGENT = 200


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
        sessions: SessionStore,
        people: PersonStore,
        members: MemberStore,
        workspaces: WorkspaceStore,
        plans: Plans,
        settings: ApiSettings,
    ) -> None:
        self.tokens = SessionTokens(settings.session_secret())
        self._sessions = sessions
        self._people = people
        self._members = members
        self._workspaces = workspaces
        self._plans = plans
        self.cookies = Cookies(secure=settings.is_https)
        self._lifetime = timedelta(hours=settings.session_hours)
        # Never before its time, although a use is noted only so often.
        self._idle = timedelta(minutes=settings.session_idle_minutes) + _USED_AGAIN
        self._public_url = settings.public_url
        self._hops = settings.forwarded_hops

    async def signed_in(self, request: web.Request) -> SignedIn:
        """Who makes `request`; a change must come from this installation's own pages.

        Role and plan are read anew each time. Raises `InvalidSession` or `CrossSiteRequest`.
        """
        token = self.token_of(request)
        if not token:
            raise InvalidSession(_SIGN_IN)
        claims = self.tokens.read(token)
        if request.method not in _SAFE_METHODS:
            self.require_same_origin(request)
            if not self.tokens.csrf_matches(claims.session, request.headers.get(CSRF_HEADER)):
                raise CrossSiteRequest(f"The header {CSRF_HEADER} must hold the session's token.")
        session, person, member, workspace = await asyncio.gather(
            self._sessions.get(claims.session, person=claims.person),
            self._people.get(claims.person),
            self._members.get(claims.workspace, claims.person),
            self._workspaces.get(claims.workspace),
        )
        if session is None or person is None or member is None or workspace is None:
            raise InvalidSession(_ENDED)
        if person.suspended_at is not None or workspace.suspended_at is not None:
            # Signing in again says which, or leads to another workspace of the person's.
            raise InvalidSession(_ENDED)
        at = clock.now()
        if at - session.last_used_at > self._idle:
            await self._sessions.end(session.id, person=person.id)
            raise InvalidSession(_ENDED)
        if at - session.last_used_at > _USED_AGAIN:
            await self._sessions.mark_used(session.id, at=at)
        return SignedIn(
            claims=claims,
            person=person,
            member=member,
            workspace=workspace,
            plan=self._plans.get(workspace.plan),
            address=self.address_of(request),
        )

    def token_of(self, request: web.Request) -> str | None:
        """What the browser holds as its session, right or not."""
        return self.cookies.get(request, SESSION)

    async def open_of(self, person: str) -> list[AccountSession]:
        """The person's sessions that open something, the one that was used last first."""
        at = clock.now()
        return await self._sessions.all_of(person, at=at, used_since=at - self._idle)

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

    async def open(
        self, request: web.Request, response: web.StreamResponse, *, person: str, workspace: str
    ) -> None:
        """Begins a session and sets its cookie; one that the browser had before is over."""
        with suppress(InvalidSession):
            before = self.tokens.read(self.token_of(request) or "")
            await self._sessions.end(before.session, person=before.person)
        at = clock.now()
        session = AccountSession(
            _id=new_session_id(),
            person=person,
            created_at=at,
            expires_at=at + self._lifetime,
            last_used_at=at,
            address=self.address_of(request),
            user_agent=_printable(request.headers.get(hdrs.USER_AGENT)),
        )
        await self._sessions.begin(session)
        token = self.tokens.issue(session, workspace)
        seconds = int(self._lifetime.total_seconds())
        self.cookies.set(response, SESSION, token, seconds=seconds)

    async def end(self, response: web.StreamResponse, claims: SessionClaims) -> None:
        """Ends the session on every replica and takes the cookie away."""
        await self._sessions.end(claims.session, person=claims.person)
        self.cookies.delete(response, SESSION)


def _printable(header: str | None) -> str | None:
    """A header's text for people to read; it may hold any byte."""
    if header is None:
        return None
    return header.encode("ascii", errors="replace").decode()[:_MAX_USER_AGENT]


SIGNED_IN = web.RequestKey("signed_in", SignedIn)
SESSIONS = web.AppKey("sessions", Sessions)
