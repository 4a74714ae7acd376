"""Nobody reads or changes another workspace: every operation, with the other's names for things.

What one must not have is not there: 404, or an empty list, and never 403, which would tell that
it exists. A new operation of the document needs its line here.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from imagerift_core.api_keys import new_token_of

from tests.integration.api.browsers import Browser, browser_of, with_token
from tests.integration.api.harness import Answer, Api, settings_of
from tests.integration.api.marked_workspace import MarkedWorkspace, make_marked_workspace, stored_of
from tests.integration.api.receiver import Receiver

THEIRS, MINE = "Xtheirs7", "Xmine7"
JOB = "/api/v1/jobs/{jobId}"
HOOKS = "/api/v1/webhooks"
ACCOUNT = "/api/v1/account"
# Nothing of a workspace's opens these, so that who asks learns of nothing.
ADMIN_OPERATIONS = (
    "adminListWorkspaces",
    "adminCreateWorkspace",
    "adminGetWorkspace",
    "adminChangeWorkspace",
    "adminListKeys",
    "adminCreateKey",
    "adminRevokeKey",
    "adminAddMember",
    "adminListPeople",
    "adminChangePerson",
    "adminEndSessions",
    "adminListWebhooks",
    "adminCreateWebhook",
    "adminDeleteWebhook",
    "adminListPlans",
    "adminPutPlan",
    "adminEndPlan",
    "adminReleasePlan",
    "adminListModes",
    "adminPutMode",
    "adminEndMode",
    "adminReleaseMode",
    "adminListAdministrators",
    "adminCreateAdministrator",
    "adminRevokeAdministrator",
    "adminReadLog",
)
SIGN_IN = {"name": "demo", "password": "wrong"}


@dataclass(frozen=True)
class Attempt:
    """A request of mine with something of theirs in it. `finds` is the status, and the code."""

    finds: tuple[int, str | None]
    ids: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def gone(code: str, **ids: str) -> list[Attempt]:
    return [Attempt((404, code), ids=ids)]


def plain(status: int = 200, body: Any = None) -> list[Attempt]:
    """Nothing of theirs can be named: the answer must be of my own."""
    return [Attempt((status, None), body=body)]


def sources(world: MarkedWorkspace) -> list[dict[str, str]]:
    ids = world.ids
    keys = [ids["imageKey"], ids["sourceKey"], ids["outputKey"]]
    made = [ids["generationId"], ids["doneJobId"]]
    return [{"imageKey": key} for key in keys] + [{"sourceGenerationId": name} for name in made]


def submits(world: MarkedWorkspace, wrap: Callable[[Any], Any]) -> list[Attempt]:
    wish = {"mode": "style", "prompt": "p"}
    return [
        Attempt((404, "source_not_found"), body=wrap(wish | source)) for source in sources(world)
    ]


def attempts(
    theirs: MarkedWorkspace, mine: MarkedWorkspace, origin: str
) -> dict[str, list[Attempt]]:
    """Of each operation. Cursors and idempotency keys of theirs only ever find what is mine."""
    ids, mark = theirs.ids, theirs.mark
    job, batch = {"jobId": ids["jobId"]}, {"batchId": ids["batchId"]}
    done, person = {"jobId": ids["doneJobId"]}, {"personId": ids["personId"]}
    key = {"keyId": ids["keyId"]}
    everything = key | person | {"workspaceId": theirs.browser.workspace, "name": "pro"}
    everything |= {"webhookId": ids["webhookId"], "administratorId": "adm_x"}

    def paged(path: str, *queries: dict[str, str]) -> list[Attempt]:
        cursors = [{"cursor": theirs.cursors[path]}, {}]
        return [Attempt((200, None), query=query) for query in (*cursors, *queries)]

    def again(name: str, key: str) -> Attempt:
        status = 201 if name == "makeUpload" else 202
        body = mine.idempotency[name]
        return Attempt((status, None), body=body, headers={"Idempotency-Key": f"{key}-{mark}"})

    return {
        "generate": [*submits(theirs, lambda job: job), again("generate", "g")],
        "makeBatch": [
            *submits(theirs, lambda job: {"jobs": [job]}),
            again("makeBatch", "b"),
        ],
        "makeUpload": [again("makeUpload", "u")],
        "listJobs": paged("/api/v1/jobs", {"batchId": ids["batchId"]}, {"metadata.order": mark}),
        "getJob": [*gone("job_not_found", **job), *gone("job_not_found", **done)],
        "cancelJob": gone("job_not_found", **job),
        "deleteJob": gone("job_not_found", **done),
        "jobEvents": gone("job_not_found", **job),
        "getBatch": gone("batch_not_found", **batch),
        "cancelBatch": gone("batch_not_found", **batch),
        "readUsage": paged("/api/v1/usage"),
        "listModes": plain(),
        "listWebhooks": plain(),
        "createWebhook": plain(400, {"url": "https://127.0.0.1/x"}),
        "deleteWebhook": gone("webhook_not_found", webhookId=ids["webhookId"]),
        "getWebhookSecret": plain(),
        "rotateWebhookSecret": plain(),
        "listDeliveries": paged(f"{HOOKS}/deliveries", {"webhookId": ids["webhookId"]}),
        "replayDelivery": gone("delivery_not_found", deliveryId=ids["deliveryId"]),
        "getAccount": plain(),
        "getOverview": plain(),
        "readAccountLog": paged(f"{ACCOUNT}/log"),
        "chooseWorkspace": [
            Attempt((404, "workspace_not_found"), body={"workspaceId": theirs.browser.workspace})
        ],
        "listSessions": plain(),
        "endSession": gone("session_not_found", sessionId=ids["sessionId"]),
        "endOtherSessions": plain(204),
        "listKeys": plain(),
        "createKey": plain(201, {"name": "k"}),
        "rotateKey": [Attempt((404, "key_not_found"), ids=key, body={"overlapDays": 0})],
        "revokeKey": gone("key_not_found", **key),
        "listMembers": plain(),
        "changeRole": [Attempt((404, "member_not_found"), ids=person, body={"role": "owner"})],
        "removeMember": gone("member_not_found", **person),
        "invite": plain(201, {"role": "member"}),
        "acceptInvitation": [
            Attempt((404, "invitation_not_found"), body={"token": ids["invitationId"]})
        ],
        "withdrawInvitation": gone("invitation_not_found", invitationId=ids["invitationId"]),
        "listSignInWays": plain(),
        "signInWithPassword": [
            Attempt((401, "sign_in_failed"), body=SIGN_IN, headers={"Origin": origin})
        ],
        "healthz": plain(),
        "readyz": plain(),
        "openapi": plain(),
        "docs": plain(),
        **{
            name: [Attempt((401, "invalid_admin_token"), ids=everything)]
            for name in ADMIN_OPERATIONS
        },
        # The last: it ends the session that the others used.
        "signOut": plain(204),
    }


@dataclass(frozen=True)
class Described:
    """An operation of the document."""

    name: str
    method: str
    path: str
    keyed: bool
    signed_in: bool


async def described(api: Api) -> list[Described]:
    document = (await api.call("GET", "/api/v1/openapi.json")).body
    return [
        Described(
            name=operation["operationId"],
            method=method.upper(),
            path=path,
            keyed={"apiKey": []} in operation["security"],
            signed_in=any("session" in way for way in operation["security"]),
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


async def ask(api: Api, operation: Described, attempt: Attempt, who: dict[str, str]) -> Answer:
    return await api.call(
        operation.method,
        operation.path.format(**attempt.ids),
        params=attempt.query,
        json=attempt.body,
        headers=who | attempt.headers,
    )


@pytest.fixture(scope="module")
async def site(
    environment: dict[str, str],
) -> AsyncIterator[tuple[Api, MarkedWorkspace, MarkedWorkspace]]:
    """A replica with two workspaces that have one of everything each."""
    name = f"{environment['IMAGERIFT_MONGO_DATABASE']}_isolation"
    async with Receiver() as receiver:
        settings = settings_of(
            environment, webhook_allowed_hosts=receiver.host, mongo_database=name
        )
        async with Api(settings) as api:
            await api.until_ready()
            worlds = [
                await make_marked_workspace(api, mark, receiver.url("")) for mark in (THEIRS, MINE)
            ]
            yield api, worlds[0], worlds[1]
            await api.database.jobs.database.client.drop_database(name)


def assert_nothing_of(
    theirs: MarkedWorkspace, operation: Described, attempt: Attempt, got: Answer
) -> None:
    sent = {*attempt.ids.values(), *attempt.query.values(), json.dumps(attempt.body)}
    text = json.dumps(got.body) + str(got.headers)
    leaks = [*theirs.names, *theirs.ids.values()]
    for name in leaks:
        if any(name in value for value in sent) and got.status >= 400:
            # A refusal names the address that was asked for, which held it.
            continue
        assert name not in text, (operation.name, name)


@pytest.mark.parametrize("credential", ["key", "session"])
async def test_no_operation_reads_or_changes_another_workspace(
    site: tuple[Api, MarkedWorkspace, MarkedWorkspace], credential: str
) -> None:
    api, theirs, mine = site
    who = mine.tenant.headers if credential == "key" else mine.browser.headers
    table = attempts(theirs, mine, api.base_url)
    operations = {operation.name: operation for operation in await described(api)}
    assert set(table) == set(operations)
    before = await stored_of(api, theirs)

    await forget_keys(api, mine)
    for name, tried in table.items():
        operation = operations[name]
        # Nobody is signed in by an API key.
        closed = credential == "key" and operation.signed_in and not operation.keyed
        for attempt in tried:
            answer = await ask(api, operation, attempt, who)
            status, code = (401, "invalid_session") if closed else attempt.finds
            assert answer.status == status, (name, attempt, answer.body)
            assert code is None or answer.body["code"] == code, (name, attempt)
            assert "Idempotent-Replayed" not in answer.headers, name
            assert_nothing_of(theirs, operation, attempt, answer)

    assert_unchanged(before, await stored_of(api, theirs))


async def test_no_forged_and_no_lost_credential_opens_another_workspace(
    site: tuple[Api, MarkedWorkspace, MarkedWorkspace],
) -> None:
    api, theirs, mine = site
    forged = with_token(new_token_of(theirs.ids["keyId"]).token)["headers"]
    # As somebody has it who was a member once.
    lost: Browser = await browser_of(api, mine.browser.person, theirs.browser.workspace)
    before = await stored_of(api, theirs)

    for operation in await described(api):
        for attempt in attempts(theirs, mine, api.base_url)[operation.name]:
            wrong = []
            if operation.keyed:
                wrong.append((forged, "invalid_api_key"))
            if operation.signed_in:
                wrong.append((lost.headers, "invalid_session"))
            for who, code in wrong:
                answer = await ask(api, operation, attempt, who)
                assert (answer.status, answer.body["code"]) == (401, code), operation.name
                assert_nothing_of(theirs, operation, attempt, answer)

    assert_unchanged(before, await stored_of(api, theirs))


async def forget_keys(api: Api, mine: MarkedWorkspace) -> None:
    """What was sent under theirs before was mine, and would rightly be replayed to me."""
    mine_alone = {"_id": {"$regex": f"^{mine.browser.workspace}:"}}
    await api.database.idempotency_keys.delete_many(mine_alone)


def assert_unchanged(before: dict[str, Any], after: dict[str, Any]) -> None:
    for name in before.keys() | after.keys():
        if name == "rate_windows":
            # The windows of minutes that are over go by themselves.
            assert set(after[name]) <= set(before[name])
        else:
            assert after.get(name, []) == before.get(name, []), name
