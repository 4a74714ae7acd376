"""People who are signed in at an API under test, as their browsers would be."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
from imagerift_api.auth.cookies import SESSION, Cookies
from imagerift_api.auth.session_tokens import SessionTokens
from imagerift_core import clock
from imagerift_core.ids import new_session_id
from imagerift_core.mongo.sessions import AccountSession
from imagerift_core.roles import Role

from tests.integration.api.harness import Answer, Api

ISSUER = "https://issuer.example"


@dataclass
class Browser:
    """One person's browser: it holds the cookie and sends what the pages would send."""

    api: Api
    person: str
    workspace: str
    cookie: str
    csrf: str

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Cookie": f"{session_cookie(self.api)}={self.cookie}",
            "Origin": self.api.settings.public_url or self.api.base_url,
            "X-CSRF-Token": self.csrf,
        }

    async def call(self, method: str, path: str, **arguments: Any) -> Answer:
        return await self.api.call(method, path, headers=self.headers, **arguments)

    async def create_key(self, **fields: Any) -> Any:
        """A new key: the answer's body."""
        answer = await self.call("POST", "/api/v1/account/keys", json={"name": "k"} | fields)
        assert answer.status == 201, answer.body
        return answer.body

    async def log(self) -> list[dict[str, Any]]:
        answer = await self.call("GET", "/api/v1/account/log?limit=100")
        assert answer.status == 200, answer.body
        entries: list[dict[str, Any]] = answer.body["data"]
        return entries


def session_cookie(api: Api) -> str:
    """The name of the cookie that a session is in there."""
    return Cookies(secure=api.settings.is_https).name_of(SESSION)


async def signed_in(api: Api, *, plan: str = "business", name: str = "Ada") -> Browser:
    """Somebody new, signed in to their own workspace on `plan`."""
    person = await api.stores.people.sign_up(
        issuer=ISSUER,
        subject=secrets.token_hex(8),
        name=name,
        email=None,
        plan="free",
        address=None,
        at=clock.now(),
    )
    await api.stores.workspaces.set_plan(person.home, plan)
    return await browser_of(api, person.id, person.home)


async def browser_of(api: Api, person: str, workspace: str) -> Browser:
    """A browser of the person's, in a new session at work in `workspace`."""
    tokens = SessionTokens(api.settings.session_secret())
    at = clock.now()
    session = AccountSession(
        _id=new_session_id(),
        person=person,
        created_at=at,
        expires_at=at + timedelta(hours=1),
        last_used_at=at,
        address="127.0.0.1",
        user_agent="Tests",
    )
    await api.stores.sessions.begin(session)
    cookie = tokens.issue(session, workspace)
    return Browser(api, person, workspace, cookie, tokens.csrf_token(session.id))


async def joined(api: Api, owner: Browser, role: Role) -> Browser:
    """Somebody new who accepted an invitation into `owner`'s workspace, and works there."""
    invited = await owner.call("POST", "/api/v1/account/invitations", json={"role": role})
    assert invited.status == 201, invited.body
    guest = await signed_in(api)
    token = invited.body["url"].partition("#invitation=")[2]
    accepted = await guest.call("POST", "/api/v1/account/invitations/accept", json={"token": token})
    assert accepted.status == 200, accepted.body
    return await browser_of(api, guest.person, owner.workspace)


def with_token(token: str) -> dict[str, Any]:
    """Arguments of a call under an API key."""
    return {"headers": {"Authorization": f"Bearer {token}"}}


def plain_session() -> aiohttp.ClientSession:
    """A client without a cookie jar of its own."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
