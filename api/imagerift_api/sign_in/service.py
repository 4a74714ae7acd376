"""Sign-ins from their beginning to an account: the first one makes a free account."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from aiohttp import web
from imagerift_core import clock
from imagerift_core.errors import (
    InvitationNotFound,
    NoWorkspaceLeft,
    SignInFailed,
    SignUpClosed,
)
from imagerift_core.mongo import Stores
from imagerift_core.mongo.account_log import Actor, LogEntry
from imagerift_core.mongo.people import Person
from imagerift_core.plans import FIRST_PLAN

from imagerift_api.auth.address_limit import AddressLimit
from imagerift_api.sign_in.built_in import BuiltInIssuer, Visitor
from imagerift_api.sign_in.oidc import Identity, OidcIssuer
from imagerift_api.sign_in.under_way import SignInCookies, SignInUnderWay

CALLBACK_PATH = "/account/sign-in/callback"
_NOT_OFFERED = "This way of signing in is not offered here."
_CLOSED = (
    "This installation lets nobody new in without an invitation. Ask somebody who works here for "
    "one, or its operator to let you sign up."
)


@dataclass(frozen=True)
class BegunSignIn:
    """Where the browser goes, and what it must bring back in its cookie."""

    url: str
    cookie: str


@dataclass(frozen=True)
class IssuersAnswer:
    """What a browser brings back from the issuer, with its cookies of before."""

    state: str
    code: str
    issuer: str | None
    cookie: str | None
    invitation: str | None


@dataclass(frozen=True)
class Account:
    """A person and the workspace that their session begins in; `invited` there just now."""

    person: Person
    workspace: str
    invited: bool = False


class SignIns:
    """The ways of signing in that this installation offers."""

    def __init__(
        self,
        stores: Stores,
        cookies: SignInCookies,
        limit: AddressLimit,
        *,
        oidc: OidcIssuer | None,
        built_in: BuiltInIssuer | None,
    ) -> None:
        self._people = stores.people
        self._members = stores.members
        self._workspaces = stores.workspaces
        self._invitations = stores.invitations
        self._account_log = stores.account_log
        self._cookies = cookies
        self._limit = limit
        self._oidc = oidc
        self._built_in = built_in

    @property
    def offers_oidc(self) -> bool:
        return self._oidc is not None

    @property
    def offers_password(self) -> bool:
        return self._built_in is not None

    async def begin(self, *, address: str | None) -> BegunSignIn:
        """Raises `SignInFailed` where there is no OIDC issuer, `RateLimited` or
        `CapacityUnavailable`."""
        if self._oidc is None:
            raise SignInFailed(_NOT_OFFERED)
        self._limit.check(address)
        self._limit.count(address)
        begun = SignInUnderWay.begun()
        url = await self._oidc.authorization_url(
            state=begun.state, nonce=begun.nonce, verifier=begun.verifier
        )
        return BegunSignIn(url, self._cookies.seal(begun))

    async def finish(self, answer: IssuersAnswer, *, address: str | None) -> Account:
        """The account behind an issuer's answer, which only the browser that began can use.

        The issuer redeems a code once (RFC 6749, 4.1.2). Raises `SignInFailed`, `SignUpClosed`,
        `NoWorkspaceLeft`, `AccountSuspended`, `RateLimited` or `CapacityUnavailable`.
        """
        if self._oidc is None:
            raise SignInFailed(_NOT_OFFERED)
        begun = self._cookies.open(answer.cookie)
        if begun is None:
            raise SignInFailed(
                "This sign-in took too long, or began in another browser. Begin again."
            )
        if not hmac.compare_digest(_bytes_of(answer.state), begun.state.encode()):
            raise SignInFailed("This sign-in was followed by another one. Begin again.")
        if answer.issuer is not None and answer.issuer != self._oidc.issuer:
            raise SignInFailed("The answer came from another issuer.")
        # The issuer is asked for each code, whoever made it up.
        self._limit.check(address)
        self._limit.count(address)
        identity = await self._oidc.redeem(answer.code, verifier=begun.verifier, nonce=begun.nonce)
        return await self._account_of(identity, address, invitation=answer.invitation)

    async def with_password(self, name: str, password: str, visitor: Visitor) -> Account:
        """Raises `SignInFailed`, `NoWorkspaceLeft`, `AccountSuspended`, `RateLimited` or
        `CapacityUnavailable`."""
        if self._built_in is None:
            raise SignInFailed(_NOT_OFFERED)
        identity = await self._built_in.check(name, password, visitor)
        return await self._account_of(identity, visitor.address)

    async def _account_of(
        self, identity: Identity, address: str | None, *, invitation: str | None = None
    ) -> Account:
        person = await self._people.refresh(
            identity.issuer, identity.subject, name=identity.name, email=identity.email
        )
        invited = person is None and not identity.may_sign_up
        if person is None:
            person = await self._newcomer(identity, address, invitation)
        person.require_not_suspended()
        workspace = await self._workspace_of(person, identity, address)
        entry = LogEntry(
            workspace=workspace,
            actor=_actor(person, address),
            action="account.signed_in",
            at=clock.now(),
            target=person.id,
            details={"issuer": identity.issuer},
        )
        await self._account_log.append(entry)
        return Account(person, workspace, invited=invited)

    async def _newcomer(
        self, identity: Identity, address: str | None, invitation: str | None
    ) -> Person:
        """The account of somebody who signs in for the first time.

        Raises `SignUpClosed` where they may not sign up and bring no invitation that works.
        """
        at = clock.now()
        if identity.may_sign_up:
            return await self._people.sign_up(
                issuer=identity.issuer,
                subject=identity.subject,
                name=identity.name,
                email=identity.email,
                plan=FIRST_PLAN,
                address=address,
                at=at,
            )
        found = await self._invitations.find(invitation, at=at) if invitation else None
        if found is None or invitation is None:
            raise SignUpClosed(_CLOSED)
        person = await self._people.add(
            issuer=identity.issuer,
            subject=identity.subject,
            name=identity.name,
            email=identity.email,
            home=found.workspace,
            at=at,
        )
        try:
            await self._invitations.accept(
                invitation, person.id, actor=_actor(person, address), at=at
            )
        except InvitationNotFound:
            # Used or withdrawn in this moment. Without a workspace the account opens nothing.
            raise SignUpClosed(_CLOSED) from None
        return person

    async def _workspace_of(self, person: Person, identity: Identity, address: str | None) -> str:
        """Where the session begins: at home, else in another of the person's workspaces.

        Somebody who was removed from all of them gets a new one, if they may sign up. Raises
        `NoWorkspaceLeft`, `SignUpClosed`, or `AccountSuspended` where all of them are suspended.
        """
        workspaces = [m.workspace for m in await self._members.of_person(person.id)]
        workspaces.sort(key=lambda workspace: workspace != person.home)
        if workspaces:
            known = await self._workspaces.get_many(workspaces)
            for workspace in workspaces:
                if workspace in known and known[workspace].suspended_at is None:
                    return workspace
            for suspended in known.values():
                suspended.require_not_suspended()
        if not identity.may_sign_up:
            raise SignUpClosed(_CLOSED)
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


def _actor(person: Person, address: str | None) -> Actor:
    return Actor(kind="person", id=person.id, name=person.name, address=address)


def _bytes_of(text: str) -> bytes:
    # A query may hold any byte; this is how the framework keeps what is no text.
    return text.encode(errors="surrogateescape")
