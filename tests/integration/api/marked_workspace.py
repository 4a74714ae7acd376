"""A workspace with one of everything, marked, and a picture of all that is stored of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import jwt
from imagerift_core import clock

from tests.integration.api.browsers import Browser, joined, signed_in
from tests.integration.api.harness import Api, Tenant
from tests.integration.api.test_generate import finish
from tests.integration.api.test_uploads import PHOTO, send
from tests.support.pictures import encode, picture

_SETTLED_SECONDS = 150


@dataclass(frozen=True)
class MarkedWorkspace:
    """`mark` is in every text of it; `ids` name its things; `keys` stand for its requests."""

    mark: str
    browser: Browser
    member: Browser
    tenant: Tenant
    ids: dict[str, str]
    cursors: dict[str, str]
    idempotency: dict[str, dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """What an answer to anybody else can only hold if it leaked."""
        return [self.mark, self.browser.workspace, self.browser.person, self.member.person]


async def make_marked_workspace(api: Api, mark: str, hook_url: str) -> MarkedWorkspace:
    """Made by the API itself, by somebody of the plan `business`."""
    browser = await signed_in(api, name=f"Owner {mark}")
    member = await joined(api, browser, "member")
    made = await browser.create_key(name=f"key {mark}")
    key_id = made["key"]["keyId"]
    tenant = Tenant(browser.workspace, made["token"], key_id, api.plans["business"])
    fields = {"prompt": f"prompt {mark}", "metadata": {"order": mark}}

    async def call(method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = await api.call(method, path, json=body, headers=browser.headers | headers)
        assert answer.status < 300, (path, answer.body)
        return answer.body

    generate = {"mode": "style", "imageBase64": encode(picture(size=(16, 16)))} | fields
    place = {"sizeBytes": len(PHOTO), "contentType": "image/png"}
    upload = await call("POST", "/api/v1/uploads", place, **{"Idempotency-Key": f"u-{mark}"})
    assert await send(upload, PHOTO) in {200, 204}
    first = await call("POST", "/api/v1/generate", generate, **{"Idempotency-Key": f"g-{mark}"})
    done = await finish(api, first["jobId"])
    await finish(api, (await call("POST", "/api/v1/generate", generate))["jobId"])
    batch = {"jobs": [{"mode": "style", "imageKey": upload["imageKey"]} | fields] * 2}
    together = await call("POST", "/api/v1/batches", batch, **{"Idempotency-Key": f"b-{mark}"})
    webhook = await call("POST", "/api/v1/webhooks", {"url": f"{hook_url}/{mark}"})
    for _ in range(2):
        told = await call(
            "POST", "/api/v1/generate", generate | {"webhookUrl": f"{hook_url}/{mark}"}
        )
        await api.stores.jobs.cancel(
            told["jobId"], workspace=browser.workspace, reason=mark, at=clock.now()
        )
    secret = (await call("GET", "/api/v1/webhooks/secret"))["secret"]
    invited = await call("POST", "/api/v1/account/invitations", {"role": "member"})
    queued = (await call("POST", "/api/v1/generate", generate))["jobId"]
    await _until_settled(api, tenant)
    deliveries = await call("GET", "/api/v1/webhooks/deliveries?limit=1")
    ids = {
        "jobId": queued,
        "doneJobId": done.id,
        "generationId": done.outputs[0].generation_id,
        "sourceKey": done.source.key,
        "outputKey": done.outputs[0].key,
        "imageKey": upload["imageKey"],
        "batchId": together["batchId"],
        "webhookId": webhook["webhook"]["webhookId"],
        "deliveryId": deliveries["data"][0]["deliveryId"],
        "keyId": key_id,
        "personId": member.person,
        "sessionId": jwt.decode(browser.cookie, options={"verify_signature": False})["jti"],
        "invitationId": invited["invitation"]["invitationId"],
        "webhookSecret": webhook["secret"],
        "jobSecret": secret,
        "token": tenant.token,
    }
    cursors = {}
    for path in ("/api/v1/jobs", "/api/v1/webhooks/deliveries", "/api/v1/account/log"):
        cursors[path] = (await call("GET", f"{path}?limit=1"))["nextCursor"]
    cursors["/api/v1/usage"] = (await call("GET", "/api/v1/usage?limit=1"))["ledger"]["nextCursor"]
    assert all(cursors.values())
    requests: dict[str, dict[str, Any]] = {
        "generate": generate,
        "makeBatch": batch,
        "makeUpload": place,
    }
    return MarkedWorkspace(mark, browser, member, tenant, ids, cursors, requests)


async def _until_settled(api: Api, tenant: Tenant) -> None:
    """Returns once every message was delivered, so that nothing of the workspace moves."""
    async with asyncio.timeout(_SETTLED_SECONDS):
        while True:
            rows = await api.database.deliveries.find({"workspace": tenant.workspace}).to_list()
            if len(rows) >= 4 and all(row["state"] == "delivered" for row in rows):
                return
            await asyncio.sleep(0.05)


async def stored_of(api: Api, world: MarkedWorkspace) -> dict[str, Any]:
    """Every document that names the workspace or its people, and every object with its mark."""
    named = (world.browser.workspace, world.browser.person, world.member.person)
    database = api.database.jobs.database
    found: dict[str, Any] = {}
    for collection in sorted(await database.list_collection_names()):
        documents = [
            json.dumps(document, default=str, sort_keys=True)
            async for document in database[collection].find()
        ]
        found[collection] = sorted(d for d in documents if any(name in d for name in named))
    prefix = f"workspaces/{world.browser.workspace}/"
    objects = [(item.key, item.size_bytes) async for item in api.store.list_objects(prefix)]
    return found | {"objects": sorted(objects)}
