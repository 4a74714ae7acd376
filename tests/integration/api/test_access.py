"""Who may call what: every operation, with every kind of credential, scope and role.

The operations are the code's own list. What each declares is what has to be enforced, neither
less nor more: with the declared scope nobody is turned away, without it everybody is.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import imagerift_api
import pytest
from imagerift_api.http.operations import Operation
from imagerift_api.openapi.document import document_path
from imagerift_core.api_keys import ALL_SCOPES, Scope
from imagerift_core.mongo.account_log import ADMIN_COMMAND
from imagerift_core.roles import ALL_ROLES, Permission, Role, may, scopes_of
from imagerift_core.tenants import KeyMaker

from tests.integration.api.browsers import Browser, browser_of, joined, signed_in, with_token
from tests.integration.api.harness import ADMIN_TOKEN, PEPPER, Answer, Api, Tenant, settings_of


def all_operations() -> list[Operation]:
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(imagerift_api.__path__, "imagerift_api.")
        if found.name.endswith("routes")
    ]
    return [operation for module in modules for operation in getattr(module, "OPERATIONS", ())]


OPERATIONS = all_operations()
KEYED = [operation for operation in OPERATIONS if operation.access in {"key", "either"}]
SIGNED_IN = [operation for operation in OPERATIONS if operation.access in {"session", "either"}]
SESSION_ONLY = [operation for operation in OPERATIONS if operation.access == "session"]
KEY_ONLY = [operation for operation in OPERATIONS if operation.access == "key"]
ADMIN = [operation for operation in OPERATIONS if operation.access == "admin"]
OPEN = [operation for operation in OPERATIONS if operation.access == "open"]

# What a session's role must permit, where not every member may call.
PERMISSIONS: dict[str, Permission] = {
    "changeRole": "members:manage",
    "removeMember": "members:manage",
    "invite": "members:manage",
    "withdrawInvitation": "members:manage",
    "readAccountLog": "log:read",
}
TURNED_AWAY = {
    "invalid_api_key",
    "revoked_api_key",
    "expired_api_key",
    "api_access_locked",
    "invalid_admin_token",
    "invalid_session",
    "cross_site_request",
    "insufficient_scope",
    "role_not_permitted",
}
# What is looked at before the role is.
BODIES: dict[str, Any] = {"changeRole": {"role": "member"}}
NOBODY = "usr_nobody"


def named(operation: Operation) -> str:
    return operation.name


def every(operations: Sequence[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("operation", operations, ids=named)


def path_of(operation: Operation) -> str:
    """The operation's path, of things that do not exist."""
    path = document_path(operation.path)
    if operation.path_model is not None:
        names = [field.alias or "" for field in operation.path_model.model_fields.values()]
        path = path.format_map(dict.fromkeys(names, NOBODY))
    return path


async def ask(api: Api, operation: Operation, headers: dict[str, str]) -> Answer:
    """The operation, on things that do not exist and with a body that changes nothing."""
    body = None if operation.body is None else BODIES.get(operation.name, {})
    return await api.call(operation.method, path_of(operation), headers=headers, json=body)


def code_of(answer: Answer) -> str | None:
    return answer.body.get("code") if isinstance(answer.body, dict) else None


def assert_let_through(answer: Answer, *what: Any) -> None:
    assert code_of(answer) not in TURNED_AWAY, (*what, answer.status, answer.body)
    assert answer.status < 500, (*what, answer.body)


def assert_turned_away(answer: Answer, status: int, code: str, *what: Any) -> None:
    assert (answer.status, code_of(answer)) == (status, code), (*what, answer.body)


def assert_scope_required(answer: Answer, operation: Operation, allowed: bool, *what: Any) -> None:
    if allowed:
        assert_let_through(answer, *what)
        return
    assert_turned_away(answer, 403, "insufficient_scope", *what)
    challenge = answer.headers["WWW-Authenticate"]
    assert f'scope="{operation.scope}"' in challenge, what


AS_ADMINISTRATOR = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
REFUSED_AS = {"session": "invalid_session", "admin": "invalid_admin_token"}


@dataclass(frozen=True)
class Workplace:
    """A workspace with somebody of each role, somebody demoted from owner to member and somebody
    removed; each has one key for each scope, made while they had the right to."""

    people: dict[str, Browser]
    keys: dict[tuple[str, Scope], str]
    operator_keys: dict[Scope, str]
    whole: Tenant

    async def session(self, who: str) -> dict[str, str]:
        """Headers of a session of its own, since an operation may end it."""
        person = self.people[who]
        return (await browser_of(person.api, person.person, person.workspace)).headers

    def role(self, who: str) -> Role:
        for role in ALL_ROLES:
            if role == who:
                return role
        assert who == "demoted"
        return "member"


async def entitled(site: tuple[Api, Workplace], operation: Operation) -> dict[str, str]:
    """Headers of somebody who may call the operation."""
    api, work = site
    if operation.access == "open":
        return {"Origin": api.base_url}
    if operation.access == "admin":
        return AS_ADMINISTRATOR
    return await work.session("owner") if operation.access == "session" else work.whole.headers


PRESENT = (*ALL_ROLES, "demoted")
_BEFORE: dict[str, Role] = {
    "owner": "owner",
    "admin": "admin",
    "member": "member",
    "demoted": "owner",
    "removed": "owner",
}


@pytest.fixture(scope="module")
async def site(environment: dict[str, str]) -> AsyncIterator[tuple[Api, Workplace]]:
    async with Api(settings_of(environment, account_requests_per_minute=100_000)) as api:
        await api.until_ready()
        founder = await signed_in(api)
        people = {who: await joined(api, founder, role) for who, role in _BEFORE.items()}
        stores = api.stores
        creation = KeyMaker(stores.keys, stores.workspaces, api.plans, bytes.fromhex(PEPPER))

        async def key(scope: Scope, person: str | None) -> str:
            made = await creation.create(
                founder.workspace,
                scope,
                scopes=[scope],
                created_by=person,
                actor=ADMIN_COMMAND,
            )
            return made.token

        keys = {
            (who, scope): await key(scope, browser.person)
            for who, browser in people.items()
            for scope in ALL_SCOPES
        }
        operator_keys = {scope: await key(scope, None) for scope in ALL_SCOPES}
        members = "/api/v1/account/members"
        demoted = await founder.call(
            "PATCH", f"{members}/{people['demoted'].person}", json={"role": "member"}
        )
        removed = await founder.call("DELETE", f"{members}/{people['removed'].person}")
        assert (demoted.status, removed.status) == (204, 204)
        yield api, Workplace(people, keys, operator_keys, await api.tenant())


async def test_these_are_the_operations_that_the_document_names(api: Api) -> None:
    document = (await api.call("GET", "/api/v1/openapi.json")).body
    served = [o["operationId"] for path in document["paths"].values() for o in path.values()]
    assert sorted(served) == sorted(operation.name for operation in OPERATIONS)
    assert set(PERMISSIONS) <= {operation.name for operation in SESSION_ONLY}


@every(OPEN)
async def test_an_open_operation_needs_no_credential(
    site: tuple[Api, Workplace], operation: Operation
) -> None:
    assert operation.scope is None
    answer = await ask(site[0], operation, {"Origin": site[0].base_url})
    assert_let_through(answer)


@every([*KEYED, *SESSION_ONLY, *ADMIN])
async def test_without_a_credential_it_is_refused(
    site: tuple[Api, Workplace], operation: Operation
) -> None:
    answer = await ask(site[0], operation, {"Origin": site[0].base_url})
    assert_turned_away(answer, 401, REFUSED_AS.get(operation.access, "invalid_api_key"))


@every(ADMIN)
async def test_only_the_administrators_token_opens_what_is_theirs(
    site: tuple[Api, Workplace], operation: Operation
) -> None:
    api, work = site
    assert_let_through(await ask(api, operation, AS_ADMINISTRATOR))
    for who in (
        work.whole.headers,
        await work.session("owner"),
        {"Authorization": f"Bearer {ADMIN_TOKEN}x"},
        {"Authorization": f"Basic {ADMIN_TOKEN}"},
        {"Cookie": f"imagerift_session={ADMIN_TOKEN}", "Origin": api.base_url},
    ):
        answer = await ask(api, operation, who)
        assert_turned_away(answer, 401, "invalid_admin_token", who)
        assert "Bearer" in answer.headers["WWW-Authenticate"]


@every([*KEYED, *SESSION_ONLY])
async def test_the_administrators_token_opens_nothing_else(
    site: tuple[Api, Workplace], operation: Operation
) -> None:
    answer = await ask(site[0], operation, AS_ADMINISTRATOR | {"Origin": site[0].base_url})
    assert_turned_away(answer, 401, REFUSED_AS.get(operation.access, "invalid_api_key"))


async def test_where_there_is_no_administrators_token_nobody_is_one(
    environment: dict[str, str],
) -> None:
    async with Api(settings_of(environment, admin_token=None)) as api:
        await api.until_ready()
        for token in (ADMIN_TOKEN, "None", ""):
            headers = {"Authorization": f"Bearer {token}"}
            answer = await api.call("GET", "/admin/v1/workspaces", headers=headers)
            assert_turned_away(answer, 401, "invalid_admin_token", token)


@every(SESSION_ONLY)
async def test_a_key_is_no_session(site: tuple[Api, Workplace], operation: Operation) -> None:
    api, work = site
    answer = await ask(api, operation, work.whole.headers | {"Origin": api.base_url})
    assert_turned_away(answer, 401, "invalid_session")


@every([o for o in SIGNED_IN if o.method != "GET"])
async def test_a_session_changes_nothing_without_its_token_or_from_elsewhere(
    site: tuple[Api, Workplace], operation: Operation
) -> None:
    api, work = site
    for missing in ("X-CSRF-Token", "Origin"):
        headers = await work.session("owner")
        del headers[missing]
        answer = await ask(api, operation, headers)
        assert_turned_away(answer, 403, "cross_site_request", missing)


@every(KEYED)
async def test_a_key_of_the_operators_needs_the_declared_scope_and_no_other(
    site: tuple[Api, Workplace], operation: Operation
) -> None:
    api, work = site
    for scope, token in work.operator_keys.items():
        answer = await ask(api, operation, **with_token(token))
        allowed = operation.scope in {None, scope}
        assert_scope_required(answer, operation, allowed, scope)


@pytest.mark.parametrize("who", PRESENT)
@every(KEYED)
async def test_a_members_key_has_its_scopes_within_the_members_role(
    site: tuple[Api, Workplace], operation: Operation, who: str
) -> None:
    api, work = site
    for scope in ALL_SCOPES:
        answer = await ask(api, operation, **with_token(work.keys[who, scope]))
        held = scope == operation.scope and scope in scopes_of(work.role(who))
        assert_scope_required(answer, operation, operation.scope is None or held, scope)


@every(KEYED)
async def test_a_removed_members_keys_open_nothing(
    site: tuple[Api, Workplace], operation: Operation
) -> None:
    api, work = site
    for scope in ALL_SCOPES:
        answer = await ask(api, operation, **with_token(work.keys["removed", scope]))
        assert_turned_away(answer, 401, "revoked_api_key", scope)


@pytest.mark.parametrize("who", PRESENT)
@every(SIGNED_IN)
async def test_a_session_may_do_what_its_role_may(
    site: tuple[Api, Workplace], operation: Operation, who: str
) -> None:
    api, work = site
    role = work.role(who)
    answer = await ask(api, operation, await work.session(who))
    permission = PERMISSIONS.get(operation.name)
    if permission is not None and not may(role, permission):
        assert_turned_away(answer, 403, "role_not_permitted")
        return
    allowed = operation.scope is None or operation.scope in scopes_of(role)
    assert_scope_required(answer, operation, allowed)


@every(SIGNED_IN)
async def test_a_removed_members_session_opens_nothing(
    site: tuple[Api, Workplace], operation: Operation
) -> None:
    api, work = site
    answer = await ask(api, operation, await work.session("removed"))
    assert_turned_away(answer, 401, "invalid_session")


@every([operation for operation in OPERATIONS if not operation.any_query])
async def test_an_unknown_member_of_the_query_is_refused(
    site: tuple[Api, Workplace], operation: Operation
) -> None:
    path = f"{path_of(operation)}?noSuchMember=1"
    body: dict[str, Any] | None = None if operation.body is None else {}
    headers = await entitled(site, operation)
    answer = await site[0].call(operation.method, path, headers=headers, json=body)
    assert_turned_away(answer, 400, "invalid_request")
    assert (answer.body["param"], answer.body["errors"][0]["message"]) == (
        "noSuchMember",
        "Unknown filter.",
    )


@every([operation for operation in OPERATIONS if operation.body is not None])
async def test_a_body_of_another_shape_is_refused(
    site: tuple[Api, Workplace], operation: Operation
) -> None:
    api = site[0]

    async def refusal(body: Any) -> Answer:
        headers = await entitled(site, operation)
        answer = await api.call(operation.method, path_of(operation), headers=headers, json=body)
        assert_turned_away(answer, 400, "invalid_request", body)
        return answer

    assert (await refusal([])).body["detail"] == "The body must be a JSON object."
    faults = (await refusal({"noSuchField": 1})).body["errors"]
    assert {"param": "noSuchField", "message": "Unknown field."} in faults


@every([*KEYED, *SESSION_ONLY, *ADMIN])
async def test_nothing_of_a_request_is_looked_at_before_its_credential(
    site: tuple[Api, Workplace], operation: Operation
) -> None:
    path = f"{path_of(operation)}?noSuchMember=1"
    headers = {"Origin": site[0].base_url}
    answer = await site[0].call(operation.method, path, headers=headers, json=[])
    assert answer.status == 401, answer.body


async def test_a_key_opens_nothing_without_its_member_even_if_nobody_revoked_it(api: Api) -> None:
    owner = await signed_in(api)
    member = await joined(api, owner, "member")
    token = (await member.create_key())["token"]
    await api.database.members.delete_one({"_id": f"{owner.workspace}:{member.person}"})
    answer = await api.call("GET", "/api/v1/jobs", **with_token(token))
    assert_turned_away(answer, 401, "revoked_api_key")
    keys = await api.stores.keys.all_of(owner.workspace)
    assert [key.revoked_at for key in keys] == [None]
