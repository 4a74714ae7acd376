"""Who may have an account: nobody new, unless invited, on a list, or where it is open to all."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from tests.integration.api.browsers import signed_in
from tests.integration.api.harness import Answer, Api, MongoCommands, settings_of
from tests.integration.api.test_member_rights import invited
from tests.integration.api.test_sign_in import approve, begin, follow, session_of
from tests.support.oidc_issuer import Issuer
from tests.support.server_processes import free_port

Site = Callable[..., AbstractAsyncContextManager[Api]]


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer(subject=secrets.token_hex(6)) as running:
        yield running


@pytest.fixture
def site_with(environment: dict[str, str], issuer: Issuer) -> Site:
    @asynccontextmanager
    async def site(**changes: Any) -> AsyncIterator[Api]:
        settings = settings_of(
            environment,
            public_url=f"http://127.0.0.1:{free_port()}",
            oidc_issuer=issuer.url,
            oidc_client_id=issuer.client_id,
            oidc_client_secret=issuer.client_secret,
            **changes,
        )
        async with Api(settings) as replica:
            await replica.until_ready()
            yield replica

    return site


async def sign_in(site: Api, *, invitation: str | None = None) -> Answer:
    address, cookie = await begin(site)
    if invitation is not None:
        cookie += f"; imagerift_invitation={invitation}"
    return await follow(site, await approve(address), cookie)


async def assert_closed(site: Api, issuer: Issuer, answer: Answer) -> None:
    assert answer.headers["Location"] == "/account#refused=sign_up_closed"
    assert session_of(answer) is None
    found = await site.stores.people.find(issuer.url, issuer.subject)
    assert found is None or await site.stores.members.of_person(found.id) == []


async def test_nobody_new_is_let_in_by_default(site_with: Site, issuer: Issuer) -> None:
    async with site_with() as site:
        await assert_closed(site, issuer, await sign_in(site))
        assert await site.stores.people.find(issuer.url, issuer.subject) is None


@pytest.mark.parametrize(
    ("rule", "claims", "admitted"),
    [
        ({"oidc_open": True}, {}, True),
        ({"oidc_email_domains": "b.org, Example.COM"}, {"email_verified": True}, True),
        ({"oidc_email_domains": "example.com"}, {}, False),
        ({"oidc_email_domains": "example.com"}, {"email_verified": "true"}, False),
        (
            {"oidc_email_domains": "example.com"},
            {"email": "eve@example.com.evil.org", "email_verified": True},
            False,
        ),
        (
            {"oidc_email_domains": "example.com"},
            {"email": "eve@notexample.com", "email_verified": True},
            False,
        ),
        ({"oidc_claims": "groups=studio,hd=example.com"}, {"groups": ["a", "studio"]}, True),
        ({"oidc_claims": "groups=studio,hd=example.com"}, {"hd": "example.com"}, True),
        ({"oidc_claims": "groups=studio"}, {"groups": ["studios"]}, False),
        ({"oidc_claims": "admin=True"}, {"admin": True}, False),
    ],
    ids=str,
)
async def test_the_lists_say_who_may_sign_up(
    site_with: Site, issuer: Issuer, rule: dict[str, Any], claims: dict[str, Any], admitted: bool
) -> None:
    issuer.claims = claims
    async with site_with(**rule) as site:
        answer = await sign_in(site)
        if not admitted:
            await assert_closed(site, issuer, answer)
            return
        assert answer.headers["Location"] == "/account"
        account = await follow(site, "/api/v1/account", session_of(answer) or "")
        assert account.body["workspace"]["role"] == "owner"


async def test_an_invitation_lets_somebody_new_into_its_workspace_and_no_other(
    site_with: Site, issuer: Issuer
) -> None:
    async with site_with() as site:
        owner = await signed_in(site)
        token = (await invited(owner))["token"]

        first = await sign_in(site, invitation=token)
        second = await sign_in(site)

        assert first.headers["Location"] == "/account#invited"
        for answer in (first, second):
            account = await follow(site, "/api/v1/account", session_of(answer) or "")
            assert account.body["workspace"]["workspaceId"] == owner.workspace
            assert account.body["workspace"]["role"] == "member"
            assert len(account.body["workspaces"]) == 1
        listed = (await owner.call("GET", "/api/v1/account/members")).body
        assert [m["invitedBy"]["personId"] for m in listed["data"] if m["invitedBy"]] == [
            owner.person
        ]
        assert listed["invitations"] == []

        issuer.subject = secrets.token_hex(6)
        await assert_closed(site, issuer, await sign_in(site, invitation=token))


async def test_who_was_invited_and_removed_gets_no_workspace_of_their_own(
    site_with: Site, issuer: Issuer
) -> None:
    async with site_with() as site:
        owner = await signed_in(site)
        token = (await invited(owner))["token"]
        await sign_in(site, invitation=token)
        person = await site.stores.people.find(issuer.url, issuer.subject)
        assert person is not None
        removed = await owner.call("DELETE", f"/api/v1/account/members/{person.id}")
        assert removed.status == 204

        await assert_closed(site, issuer, await sign_in(site))


@pytest.mark.parametrize("token", ["", "made-up", "x" * 4000])
async def test_a_made_up_invitation_lets_nobody_in(
    site_with: Site, issuer: Issuer, token: str
) -> None:
    async with site_with() as site:
        await assert_closed(site, issuer, await sign_in(site, invitation=token))


async def test_who_has_an_account_signs_in_whatever_the_lists_say(
    site_with: Site, issuer: Issuer
) -> None:
    async with site_with(oidc_open=True) as site:
        assert session_of(await sign_in(site))
    async with site_with() as site:
        assert session_of(await sign_in(site))


async def test_a_suspended_person_is_told_so_at_the_sign_in(
    site_with: Site, issuer: Issuer, run: Any
) -> None:
    async with site_with(oidc_open=True) as site:
        await sign_in(site)
        person = await site.stores.people.find(issuer.url, issuer.subject)
        assert person is not None
        await run("person", "suspend", "--person", person.id)

        answer = await sign_in(site)

        assert answer.headers["Location"] == "/account#refused=account_suspended"
        assert session_of(answer) is None
        since = person.created_at
        assert await site.stores.sessions.all_of(person.id, at=since, used_since=since) == []


async def test_no_store_is_asked_for_a_sign_in_until_somebody_comes_back(
    site_with: Site, mongo_commands: MongoCommands
) -> None:
    async with site_with() as site:
        await begin(site)
        sent = []
        for _ in range(10):
            seen = mongo_commands.start()
            await begin(site)
            mongo_commands.stop()
            sent.append(seen)
        # Now and then a background loop of the process comes in between.
        assert [] in sent


async def test_one_address_begins_so_many_sign_ins_a_minute(
    site_with: Site, issuer: Issuer
) -> None:
    async with site_with(unidentified_requests_per_minute=3, forwarded_hops=1) as site:

        async def status(address: str) -> int:
            answer = await site.call(
                "GET",
                "/account/sign-in",
                headers={"X-Forwarded-For": address},
                allow_redirects=False,
            )
            return answer.status

        assert [await status("198.51.100.7") for _ in range(4)] == [303, 303, 303, 429]
        assert await status("198.51.100.8") == 303
        several = [await status(f"2001:db8::{n}") for n in range(4)]
        assert several == [303, 303, 303, 429]
