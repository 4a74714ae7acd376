"""Real things for generated requests to name: a job to delete, a key to rotate, a page's cursor.

The generator is a process of its own; it asks here, and everything is made by the API itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

import jwt
from aiohttp import web
from imagerift_core import clock
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.mongo.jobs import JobStore

from tests.integration.api.browsers import browser_of, joined, signed_in
from tests.integration.api.fuzz.callers import FuzzCaller
from tests.integration.api.harness import Api
from tests.integration.api.test_generate import finish
from tests.support.pictures import encode, picture
from tests.support.server_processes import free_port

# Somebody who follows a job or waits for it hears of its end after this.
_JOB_LIVES_SECONDS = 0.5
_PAGES = {
    "listJobs": "/api/v1/jobs?limit=1",
    "listDeliveries": "/api/v1/webhooks/deliveries?limit=1",
    "readUsage": "/api/v1/usage?limit=1",
    "readAccountLog": "/api/v1/account/log?limit=1",
}


class Supplier:
    """For one caller. `start` makes what can be used again and again."""

    def __init__(self, api: Api, caller: FuzzCaller, *, hook_url: str, password: str) -> None:
        self._api = api
        self._caller = caller
        self._hook_url = hook_url
        self._password = password
        self._port = free_port()
        self._kept: dict[str, Any] = {}
        self._picture = encode(picture(size=(16, 16)))
        self._makers: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
            "generate": self._generate,
            "makeBatch": self._batch,
            "getJob": self._path("jobId", "succeeded job"),
            "cancelJob": self._path("jobId", "canceled job"),
            "jobEvents": self._path("jobId", "canceled job"),
            "deleteJob": self._new_path("jobId", self._canceled_job),
            "getBatch": self._path("batchId", "batch"),
            "cancelBatch": self._path("batchId", "batch"),
            "makeUpload": self._body(sizeBytes=1000, contentType="image/png"),
            "createWebhook": self._webhook,
            "deleteWebhook": self._new_path("webhookId", self._new_webhook),
            "replayDelivery": self._path("deliveryId", "delivery"),
            "createKey": self._body(name="k"),
            "rotateKey": self._new_path("keyId", self._new_key, overlapDays=1),
            "revokeKey": self._new_path("keyId", self._new_key),
            "invite": self._body(role="member"),
            "acceptInvitation": self._acceptance,
            "withdrawInvitation": self._new_path("invitationId", self._new_invitation),
            "changeRole": self._new_path("personId", self._new_member, role="member"),
            "removeMember": self._new_path("personId", self._new_member),
            "endSession": self._new_path("sessionId", self._new_session),
            "chooseWorkspace": self._body(workspaceId=caller.workspace),
            "signInWithPassword": self._body(name="demo", password=password),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self._fill()
        application = web.Application()
        application.router.add_get("/values/{operation}", self._values)
        application.router.add_get("/session", self._session)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._ending = asyncio.create_task(self._end_jobs())
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._ending.cancel()
        await asyncio.gather(self._ending, return_exceptions=True)
        await self._runner.cleanup()

    async def _fill(self) -> None:
        kept = self._kept
        first = await self._new_job(variations=2)
        done = await self._finished(first)
        kept["succeeded job"] = done.id
        kept["generation"] = done.outputs[0].generation_id
        kept["imageKey"] = done.source.key
        again = await self._finished(await self._new_job())
        kept["canceled job"] = await self._canceled_job(webhookUrl=self._hook_url)
        await self._canceled_job(webhookUrl=self._hook_url)
        bodies = [{"mode": "style", "prompt": "p", "imageKey": again.source.key}]
        kept["batch"] = (await self._made("POST", "/api/v1/batches", {"jobs": bodies}))["batchId"]
        deliveries = await self._made("GET", "/api/v1/webhooks/deliveries")
        kept["delivery"] = deliveries["data"][0]["deliveryId"]
        for operation, path in _PAGES.items():
            if operation == "readAccountLog" and self._caller.browser is None:
                continue
            page = await self._made("GET", path)
            cursor = page.get("nextCursor") or page.get("ledger", {}).get("nextCursor")
            assert cursor is not None, path
            kept[f"cursor of {operation}"] = cursor

    async def _values(self, request: web.Request) -> web.Response:
        """`path` and `body` of a request that should succeed, and what else could be named."""
        operation = request.match_info["operation"]
        values = await self._makers[operation]() if operation in self._makers else {}
        cursor = self._kept.get(f"cursor of {operation}")
        if cursor is not None:
            values["query"] = {"cursor": cursor}
        return web.json_response(values)

    async def _session(self, _request: web.Request) -> web.Response:
        """A session of its own, for what ends it."""
        browser = self._caller.browser
        assert browser is not None
        fresh = await browser_of(self._api, browser.person, browser.workspace)
        return web.json_response({"cookie": fresh.cookie, "csrf": fresh.csrf})

    async def _end_jobs(self) -> None:
        """Nobody runs these jobs; their ends are what streams and waits are there for."""
        while True:
            await asyncio.sleep(_JOB_LIVES_SECONDS)
            waiting = self._api.database.jobs.find(
                {"workspace": self._caller.workspace, "status": Status.QUEUED}, {"_id": 1}
            )
            async for row in waiting:
                await JobStore(self._api.database).cancel(
                    row["_id"],
                    workspace=self._caller.workspace,
                    reason="r",
                    at=clock.now(),
                )

    async def _made(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self._api.call(method, path, json=body, headers=self._caller.headers)
        assert answer.status < 300, (path, answer.status, answer.body)
        return answer.body

    async def _new_job(self, **fields: Any) -> str:
        body = {"mode": "style", "prompt": "p", "imageBase64": self._picture} | fields
        job_id: str = (await self._made("POST", "/api/v1/generate", body))["jobId"]
        return job_id

    async def _finished(self, job_id: str) -> JobRecord:
        """The job once its resource is known, so that both are of one mind; then it succeeds."""
        async with asyncio.timeout(150):
            while True:
                record = await JobStore(self._api.database).get(job_id)
                assert record is not None
                if record.resource_uid is not None:
                    return await finish(self._api, job_id, resource_uid=record.resource_uid)
                await asyncio.sleep(0.02)

    async def _canceled_job(self, **fields: Any) -> str:
        job_id = await self._new_job(**fields)
        await self._made("POST", f"/api/v1/jobs/{job_id}/cancel")
        return job_id

    async def _new_webhook(self) -> str:
        await self._few_webhooks()
        made = await self._made("POST", "/api/v1/webhooks", {"url": self._hook_url})
        webhook_id: str = made["webhook"]["webhookId"]
        return webhook_id

    async def _new_session(self) -> str:
        browser = self._caller.browser
        assert browser is not None
        fresh = await browser_of(self._api, browser.person, browser.workspace)
        claims = jwt.decode(fresh.cookie, options={"verify_signature": False})
        return str(claims["jti"])

    async def _new_key(self) -> str:
        key_id: str = (await self._made("POST", "/api/v1/account/keys", {"name": "k"}))["key"][
            "keyId"
        ]
        return key_id

    async def _new_invitation(self) -> str:
        made = await self._made("POST", "/api/v1/account/invitations", {"role": "member"})
        invitation_id: str = made["invitation"]["invitationId"]
        return invitation_id

    async def _new_member(self) -> str:
        assert self._caller.browser is not None
        return (await joined(self._api, self._caller.browser, "member")).person

    async def _generate(self) -> dict[str, Any]:
        return {
            "body": {"mode": "style", "prompt": "p", "imageBase64": self._picture},
            "instead": self._instead(),
        }

    async def _batch(self) -> dict[str, Any]:
        job = {"mode": "style", "prompt": "p", "imageKey": self._kept["imageKey"]}
        return {"body": {"jobs": [job]}, "instead": self._instead()}

    def _instead(self) -> dict[str, Any]:
        """What generated fields become, where they are there at all: no schema tells these."""
        return {
            "mode": "style",
            "preset": "noir",
            "prompt": "p",
            "imageBase64": self._picture,
            "imageKey": self._kept["imageKey"],
            "sourceGenerationId": self._kept["generation"],
            "webhookUrl": self._hook_url,
        }

    async def _webhook(self) -> dict[str, Any]:
        await self._few_webhooks()
        return {"body": {"url": self._hook_url}, "instead": {"url": self._hook_url}}

    async def _few_webhooks(self) -> None:
        """A workspace has at most twenty."""
        listed = (await self._made("GET", "/api/v1/webhooks"))["data"]
        for webhook in listed[:-5]:
            await self._made("DELETE", f"/api/v1/webhooks/{webhook['webhookId']}")

    async def _acceptance(self) -> dict[str, Any]:
        host = await signed_in(self._api)
        invited = await host.call("POST", "/api/v1/account/invitations", json={"role": "member"})
        token = invited.body["url"].partition("#invitation=")[2]
        return {"body": {"token": token}, "instead": {"token": token}}

    def _path(self, name: str, kind: str, **body: Any) -> Callable[[], Awaitable[dict[str, Any]]]:
        async def make() -> dict[str, Any]:
            return {"path": {name: self._kept[kind]}, "body": body or None}

        return make

    def _new_path(
        self, name: str, maker: Callable[[], Awaitable[str]], **body: Any
    ) -> Callable[[], Awaitable[dict[str, Any]]]:
        async def make() -> dict[str, Any]:
            return {"path": {name: await maker()}, "body": body or None}

        return make

    def _body(self, **body: Any) -> Callable[[], Awaitable[dict[str, Any]]]:
        async def make() -> dict[str, Any]:
            names = {"workspaceId", "password", "name"} & body.keys()
            return {"body": body, "instead": {name: body[name] for name in names}}

        return make
