"""Sign-ins from their beginning to an account: the first one makes a free account."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web
from imagerift_core import clock
from imagerift_core.errors import NoWorkspaceLeft, SignInFailed
from imagerift_core.mongo.account_log import AccountLogStore, Actor, LogEntry
from imagerift_core.mongo.members import MemberStore
from imagerift_core.mongo.people import Person, PersonStore
from imagerift_core.mongo.sign_ins import SignInStore, SignInUnderWay

from imagerift_api.sign_in.built_in import BuiltInIssuer
from imagerift_api.sign_in.oidc import Identity, OidcIssuer

FIRST_PLAN = "free"
CALLBACK_PATH = "/account/sign-in/callback"
MINUTES = 10
_NOT_OFFERED = "This way of signing in is not offered here."


@dataclass(frozen=True)
class BegunSignIn:
    """Where the browser goes, and what it must bring back in its cookie."""

    url: str
    browser: str


@dataclass(frozen=True)
class Account:
    """A person and the workspace that their session begins in."""

    person: Person
    workspace: str


class SignIns:
    """The ways of signing in that this installation offers."""

    def __init__(
        self,
        sign_ins: SignInStore,
        people: PersonStore,
        members: MemberStore,
        account_log: AccountLogStore,
        *,
        oidc: OidcIssuer | None,
        built_in: BuiltInIssuer | None,
    ) -> None:
        self._sign_ins = sign_ins
        self._people = people
        self._members = members
        self._account_log = account_log
        self._oidc = oidc
        self._built_in = built_in

    @property
    def offers_oidc(self) -> bool:
        return self._oidc is not None

    @property
    def offers_password(self) -> bool:
        return self._built_in is not None

    async def begin(self) -> BegunSignIn:
        """Raises `SignInFailed` where there is no OIDC issuer, or `CapacityUnavailable`."""
        if self._oidc is None:
            raise SignInFailed(_NOT_OFFERED)
        state, nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(4))
        url = await self._oidc.authorization_url(state=state, nonce=nonce, verifier=verifier)
        under_way = SignInUnderWay(
            nonce=nonce,
            verifier=verifier,
            browser_hash=_hashed(browser),
            expires_at=clock.now() + timedelta(minutes=MINUTES),
        )
        await self._sign_ins.begin(state, under_way)
        return BegunSignIn(url, browser)

    async def finish(
        self,
        *,
        state: str,
        code: str,
        issuer: str | None,
        browser: str | None,
        address: str | None,
    ) -> Account:
        """The account behind an issuer's answer; a state works once and in one browser.

        Raises `SignInFailed`, `NoWorkspaceLeft` or `CapacityUnavailable`.
        """
        if self._oidc is None:
            raise SignInFailed(_NOT_OFFERED)
        under_way = await self._sign_ins.take(state, at=clock.now())
        if under_way is None:
            raise SignInFailed("This sign-in was used already or took too long. Begin again.")
        if browser is None or not hmac.compare_digest(_hashed(browser), under_way.browser_hash):
            raise SignInFailed("This sign-in began in another browser. Begin again.")
        if issuer is not None and issuer != self._oidc.issuer:
            raise SignInFailed("The answer came from another issuer.")
        identity = await self._oidc.redeem(code, verifier=under_way.verifier, nonce=under_way.nonce)
        return await self._account_of(identity, address)

    async def with_password(self, name: str, password: str, *, address: str | None) -> Account:
        """Raises `SignInFailed`, `NoWorkspaceLeft`, `RateLimited` or `CapacityUnavailable`."""
        if self._built_in is None:
            raise SignInFailed(_NOT_OFFERED)
        identity = await self._built_in.check(name, password, address=address)
        return await self._account_of(identity, address)

    async def _account_of(self, identity: Identity, address: str | None) -> Account:
        at = clock.now()
        person = await self._people.ensure(
            issuer=identity.issuer,
            subject=identity.subject,
            name=identity.name,
            email=identity.email,
            plan=FIRST_PLAN,
            address=address,
            at=at,
        )
        workspace = await self._workspace_of(person, address)
        entry = LogEntry(
            workspace=workspace,
            actor=Actor(kind="person", id=person.id, name=person.name, address=address),
            action="account.signed_in",
            at=at,
            target=person.id,
            details={"issuer": identity.issuer},
        )
        await self._account_log.append(entry)
        return Account(person, workspace)

    async def _workspace_of(self, person: Person, address: str | None) -> str:
        """Where the session begins: at home, else in another of the person's workspaces.

        Somebody who was removed from all of them gets a new one. Raises `NoWorkspaceLeft`.
        """
        workspaces = [m.workspace for m in await self._members.of_person(person.id)]
        if person.home in workspaces:
            return person.home
        if workspaces:
            return workspaces[0]
        at = clock.now()
        made = await self._people.rehome(person, plan=FIRST_PLAN, address=address, at=at)
        if made is not None:
            return made
        # A sign-in at the same moment may have made it.
        again = await self._members.of_person(person.id)
        if again:
            return again[0].workspace
        from_then = person.may_rehome_from or at
        raise NoWorkspaceLeft(
            "You are a member of no workspace any more, and a new one of your own was made for "
            f"you less than 30 days ago. Sign in again from {from_then:%-d %B %Y} on, or ask the "
            "operator of this installation to add you to a workspace."
        )


SIGN_INS = web.AppKey("sign_ins", SignIns)


def _hashed(value: str) -> str:
    # A cookie may hold any byte; this is how the framework keeps what is no text.
    return hashlib.sha256(value.encode(errors="surrogateescape")).hexdigest()
