"""Every code that a refusal can have, each brought about by a request and in its promised form.

A code that is added to the table of the API needs its cause here and its line in docs/api.md.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from imagerift_api.http.problems import KINDS
from imagerift_api.sign_in.built_in import ISSUER
from imagerift_core import clock
from imagerift_core.errors import OutcomeUnknown
from imagerift_core.modes import load_modes
from imagerift_core.mongo.admission import Admissions
from imagerift_core.mongo.idempotency import row_id
from imagerift_core.mongo.keys import KeyStore
from openapi_schema_validator import OAS31Validator

from tests.integration.api.browsers import Browser, joined, signed_in, with_token
from tests.integration.api.harness import (
    ADMIN_TOKEN,
    Answer,
    Api,
    Tenant,
    plans_of_tests,
    settings_of,
)
from tests.integration.api.test_generate import finished_job
from tests.support.cel_cases import PLAN
from tests.support.pictures import encode, huge_png, picture

CHECKOUT = Path(__file__).resolve().parents[3]
ACCOUNT = "/api/v1/account"
HOOKS = "/api/v1/webhooks"
DEMO, PASSWORD = f"demo-{secrets.token_hex(4)}", "correct horse battery staple"
REFUSED = "lighthouse"
NO_ONE = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Scene:
    """A replica, a workspace of the plan `business` with a key, its owner, and what a test
    may change."""

    api: Api
    tenant: Tenant
    owner: Browser
    patch: pytest.MonkeyPatch

    async def key(self, method: str, path: str, **more: Any) -> Answer:
        return await self.api.call(method, path, headers=self.tenant.headers, **more)


Cause = Callable[[Scene], Awaitable[Answer]]
CAUSES: dict[str, Cause] = {}


def causes(code: str) -> Callable[[Cause], Cause]:
    def keep(cause: Cause) -> Cause:
        CAUSES[code] = cause
        return cause

    return keep


def by_key(method: str, path: str, body: Any = None) -> Cause:
    return lambda scene: scene.key(method, path, json=body)


def by_owner(method: str, path: str, body: Any = None) -> Cause:
    return lambda scene: scene.owner.call(method, path, json=body)


def by_administrator(method: str, path: str, body: Any = None) -> Cause:
    return lambda scene: scene.api.call(method, path, json=body, **with_token(ADMIN_TOKEN))


def by_submit(**fields: Any) -> Cause:
    return lambda scene: scene.api.generate(scene.tenant, **fields)


CAUSES |= {
    "invalid_request": by_key("GET", "/api/v1/jobs?colour=red"),
    "invalid_api_key": lambda scene: scene.api.call("GET", "/api/v1/jobs", **with_token("x")),
    "invalid_session": lambda scene: scene.api.call("GET", ACCOUNT),
    "invalid_admin_token": by_key("GET", "/admin/v1/workspaces"),
    "administrator_not_found": by_administrator("DELETE", "/admin/v1/administrators/adm_none"),
    "catalogue_entry_not_found": by_administrator("DELETE", "/admin/v1/plans/nothing"),
    "not_found": by_key("GET", "/api/v1/nothing"),
    "method_not_allowed": by_key("PUT", "/api/v1/jobs"),
    "job_not_found": by_key("GET", f"/api/v1/jobs/{NO_ONE}"),
    "batch_not_found": by_key("GET", f"/api/v1/batches/{NO_ONE}"),
    "source_not_found": by_submit(imageBase64=None, imageKey="img_nothing"),
    "webhook_not_found": by_key("DELETE", f"{HOOKS}/whk_nothing"),
    "delivery_not_found": by_key("POST", f"{HOOKS}/deliveries/evt_nothing/replay"),
    "workspace_not_found": by_owner("POST", f"{ACCOUNT}/workspace", {"workspaceId": "ws_none"}),
    "key_not_found": by_owner("DELETE", f"{ACCOUNT}/keys/key_nothing"),
    "session_not_found": by_owner("DELETE", f"{ACCOUNT}/sessions/ses_nothing"),
    "member_not_found": by_owner("DELETE", f"{ACCOUNT}/members/usr_nothing"),
    "invitation_not_found": by_owner("DELETE", f"{ACCOUNT}/invitations/inv_nothing"),
    "unsupported_image": by_submit(imageBase64=encode(picture("ICO"))),
    "image_unreadable": by_submit(imageBase64=encode(picture("PNG")[:-40])),
    "image_too_large": by_submit(imageBase64=encode(huge_png())),
    "content_rejected": by_submit(prompt=f"a {REFUSED} on marble"),
    "payload_too_large": by_submit(imageBase64=encode(bytes(20 * 1024 * 1024 + 1))),
}


@causes("revoked_api_key")
async def _revoked(scene: Scene) -> Answer:
    made = await scene.owner.create_key()
    await scene.owner.call("DELETE", f"{ACCOUNT}/keys/{made['key']['keyId']}")
    return await scene.api.call("GET", "/api/v1/jobs", **with_token(made["token"]))


@causes("expired_api_key")
async def _expired(scene: Scene) -> Answer:
    soon = clock.now() + timedelta(minutes=1)
    made = await scene.owner.create_key(expiresAt=clock.rfc3339(soon))
    scene.patch.setattr(clock, "now", lambda: soon)
    return await scene.api.call("GET", "/api/v1/jobs", **with_token(made["token"]))


@causes("insufficient_scope")
async def _scope(scene: Scene) -> Answer:
    made = await scene.owner.create_key(scopes=["jobs:write"])
    return await scene.api.call("GET", "/api/v1/jobs", **with_token(made["token"]))


@causes("api_access_locked")
async def _locked(scene: Scene) -> Answer:
    locked = await scene.api.tenant("free")
    return await scene.api.call("GET", "/api/v1/jobs", headers=locked.headers)


@causes("export_not_permitted")
async def _export(scene: Scene) -> Answer:
    return await scene.api.generate(await scene.api.tenant("pro"), exportSize="4k")


@causes("quota_exhausted")
async def _quota(scene: Scene) -> Answer:
    return await scene.api.generate(await scene.api.tenant("tiny"), variations=2)


@causes("queue_full")
async def _queue(scene: Scene) -> Answer:
    return await scene.api.generate(await scene.api.tenant("narrow"), variations=2)


@causes("uploads_full")
async def _uploads(scene: Scene) -> Answer:
    tiny = await scene.api.tenant("tiny")
    place = {"sizeBytes": 1001, "contentType": "image/png"}
    return await scene.api.call("POST", "/api/v1/uploads", json=place, headers=tiny.headers)


@causes("rate_limited")
async def _rate(scene: Scene) -> Answer:
    tiny, moment = await scene.api.tenant("tiny"), clock.now()
    scene.patch.setattr(clock, "now", lambda: moment)
    for _ in range(tiny.plan.requests_per_minute):
        await scene.api.call("GET", "/api/v1/modes", headers=tiny.headers)
    return await scene.api.call("GET", "/api/v1/modes", headers=tiny.headers)


@causes("too_many_streams")
async def _streams(scene: Scene) -> Answer:
    path = f"/api/v1/jobs/{(await scene.api.generate(scene.tenant)).body['jobId']}/events"
    async with AsyncExitStack() as streams:
        for _ in range(10):
            await streams.enter_async_context(
                scene.api.http.get(path, headers=scene.tenant.headers)
            )
        return await scene.key("GET", path)


@causes("sign_in_failed")
async def _sign_in(scene: Scene) -> Answer:
    return await scene.api.call(
        "POST",
        f"{ACCOUNT}/session",
        json={"name": "a", "password": "b"},
        headers={"Origin": scene.api.base_url},
    )


@causes("no_workspace_left")
async def _no_place(scene: Scene) -> Answer:
    for _ in range(3):
        # Removed from their workspace, and from the new one that is made for them once a while.
        await scene.api.database.members.delete_many({"person": {"$in": await _demo(scene)}})
        answer = await scene.api.call(
            "POST",
            f"{ACCOUNT}/session",
            json={"name": DEMO, "password": PASSWORD},
            headers={"Origin": scene.api.base_url},
        )
    return answer


async def _demo(scene: Scene) -> list[str]:
    found = await scene.api.stores.people.find(ISSUER, DEMO)
    return [found.id] if found else []


@causes("account_suspended")
async def _suspended(scene: Scene) -> Answer:
    tenant = await scene.api.tenant()
    await scene.api.stores.workspaces.suspend(tenant.workspace)
    return await scene.api.call("GET", "/api/v1/jobs", headers=tenant.headers)


@causes("cross_site_request")
async def _cross_site(scene: Scene) -> Answer:
    headers = scene.owner.headers | {"Origin": "https://evil.example"}
    return await scene.api.call("POST", f"{ACCOUNT}/keys", json={"name": "k"}, headers=headers)


@causes("role_not_permitted")
async def _role(scene: Scene) -> Answer:
    member = await joined(scene.api, scene.owner, "member")
    return await member.call("POST", f"{ACCOUNT}/invitations", json={"role": "member"})


@causes("already_member")
async def _member(scene: Scene) -> Answer:
    invited = await scene.owner.call("POST", f"{ACCOUNT}/invitations", json={"role": "member"})
    token = invited.body["url"].partition("#invitation=")[2]
    return await scene.owner.call("POST", f"{ACCOUNT}/invitations/accept", json={"token": token})


@causes("last_owner")
async def _owner(scene: Scene) -> Answer:
    path = f"{ACCOUNT}/members/{scene.owner.person}"
    return await scene.owner.call("PATCH", path, json={"role": "member"})


@causes("catalogue_entry_used")
async def _used(scene: Scene) -> Answer:
    name = f"x-{secrets.token_hex(4)}"
    path, workspace = f"/admin/v1/plans/{name}", {"name": "W", "plan": name}
    await by_administrator("PUT", path, PLAN)(scene)
    await by_administrator("POST", "/admin/v1/workspaces", workspace)(scene)
    return await by_administrator("DELETE", path)(scene)


@causes("key_not_rotatable")
async def _rotate(scene: Scene) -> Answer:
    path = f"{ACCOUNT}/keys/{(await scene.owner.create_key())['key']['keyId']}"
    await scene.owner.call("DELETE", path)
    return await scene.owner.call("POST", f"{path}/rotate", json={"overlapDays": 0})


@causes("idempotency_key_reused")
async def _reused(scene: Scene) -> Answer:
    headers = scene.tenant.headers | {"Idempotency-Key": "k"}
    for size in (1, 2):
        body = {"sizeBytes": size, "contentType": "image/png"}
        last = await scene.api.call("POST", "/api/v1/uploads", json=body, headers=headers)
    return last


@causes("idempotency_in_progress")
async def _in_progress(scene: Scene) -> Answer:
    row = row_id(scene.tenant.workspace, "held")
    headers = scene.tenant.headers | {"Idempotency-Key": "held"}
    body = {"mode": "style", "prompt": "p", "imageBase64": encode(picture(size=(16, 16)))}
    client = scene.api.database.jobs.database.client
    async with await client.start_session() as session:
        session.start_transaction()
        await scene.api.database.idempotency_keys.insert_one({"_id": row}, session=session)
        answer = await scene.api.call("POST", "/api/v1/generate", json=body, headers=headers)
        await session.abort_transaction()
    return answer


@causes("job_not_ended")
async def _not_ended(scene: Scene) -> Answer:
    job_id = (await scene.api.generate(scene.tenant)).body["jobId"]
    return await scene.key("DELETE", f"/api/v1/jobs/{job_id}")


@causes("job_not_cancelable")
async def _not_cancelable(scene: Scene) -> Answer:
    done = await finished_job(scene.api, scene.tenant)
    return await scene.key("POST", f"/api/v1/jobs/{done.id}/cancel")


@causes("request_timeout")
async def _slow(scene: Scene) -> Answer:
    scene.patch.setattr("imagerift_api.http.body_reading._READ_SECONDS", 0.2)
    never = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await never.wait()

    return await scene.key("POST", "/api/v1/generate", data=body())


@causes("capacity_unavailable")
async def _no_cluster(scene: Scene) -> Answer:
    done = await finished_job(scene.api, scene.tenant)
    return await scene.key("DELETE", f"/api/v1/jobs/{done.id}")


@causes("outcome_unknown")
async def _unanswered(scene: Scene) -> Answer:
    async def unanswered(*_: object, **__: object) -> None:
        raise OutcomeUnknown

    scene.patch.setattr(Admissions, "admit_all", unanswered)
    return await scene.api.generate(scene.tenant)


@causes("internal_error")
async def _broken(scene: Scene) -> Answer:
    async def broken(*_: object, **__: object) -> None:
        raise KeyError(f"a secret: {scene.tenant.token}")

    scene.patch.setattr(KeyStore, "all_of", broken)
    return await scene.owner.call("GET", f"{ACCOUNT}/keys")


@pytest.fixture(scope="module")
async def place(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    """A replica with plans soon used up, a word it refuses, and somebody with a password."""
    plans = plans_of_tests()
    plans["tiny"] = plans["pro"] | {
        "requestsPerMinute": 2,
        "unitsPerMonth": 1,
        "uploadBytes": 1000,
    }
    plans["narrow"] = plans["pro"] | {"queueUnits": 1}
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "plans.json").write_text(json.dumps(plans))
    hashed = PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)
    (folder / "users.json").write_text(json.dumps({DEMO: hashed}))
    modes = {name: mode.model_dump(by_alias=True) for name, mode in load_modes().items()}
    modes["style"]["refusedWords"] = [REFUSED]
    (folder / "modes.json").write_text(json.dumps(modes))
    settings = settings_of(
        environment,
        plans_file=folder / "plans.json",
        modes_file=folder / "modes.json",
        sign_in_users_file=folder / "users.json",
        sign_in_tries_per_minute=1000,
    )
    async with Api(settings) as api:
        await api.until_ready()
        yield api


@pytest.fixture
async def scene(place: Api, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(place, await place.tenant(), await signed_in(place), monkeypatch)


def test_every_code_has_its_cause_here_and_its_line_in_the_documentation() -> None:
    assert set(CAUSES) == set(KINDS)
    text = (CHECKOUT / "docs/api.md").read_text()
    assert [code for code in KINDS if f"`{code}`" not in text] == []


@pytest.mark.parametrize("code", KINDS)
async def test_each_code_is_answered_in_its_promised_form(scene: Scene, code: str) -> None:
    document = (await scene.api.call("GET", "/api/v1/openapi.json")).body

    answer = await CAUSES[code](scene)

    assert (answer.status, answer.body.get("code")) == (KINDS[code][0], code), answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["requestId"] == answer.headers["X-Request-Id"]
    schema = {"$ref": "#/components/schemas/ProblemObject"} | {"components": document["components"]}
    OAS31Validator(schema).validate(answer.body)
    if answer.status in {429, 503} or code == "idempotency_in_progress":
        assert int(answer.headers["Retry-After"]) >= 1
    if code.endswith("_api_key"):
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert scene.tenant.token not in json.dumps(answer.body)
