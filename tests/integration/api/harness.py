"""An API server of a test's own, on real stores, and the requests that tests make of it."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web
from imagerift_api.app import build_application
from imagerift_api.main import api_runner
from imagerift_api.metrics import Metrics
from imagerift_api.settings import ApiSettings
from imagerift_core import clock, object_keys, quota
from imagerift_core.api_keys import ALL_SCOPES, Scope
from imagerift_core.ids import new_workspace_id
from imagerift_core.mongo import Database, Stores, connect
from imagerift_core.mongo.account_log import ADMIN_COMMAND
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.plans import Plan, Plans, load_plans
from imagerift_core.s3 import ObjectStore, open_store
from imagerift_core.tenants import KeyMaker
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from tests.support.pictures import encode, picture
from tests.support.server_processes import S3Address, free_port

PEPPER = "5e" * 32
ADMIN_TOKEN = "ad" * 32
_READY_SECONDS = 150


@dataclass(frozen=True)
class Tenant:
    """A workspace with a key."""

    workspace: str
    token: str
    key_id: str
    plan: Plan

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def counter(self) -> str:
        return quota.counter_id(self.workspace, quota.period_of(clock.now()))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


def plans_of_tests(**business: Any) -> dict[str, Any]:
    """The shipped plans with room for many requests and jobs, and changes to `business`."""
    room = {"requestsPerMinute": 100_000, "queueUnits": None}
    plans = {name: plan.model_dump(by_alias=True) | room for name, plan in load_plans().items()}
    plans["business"] |= business
    plans["hoarder"] = plans["business"] | {"uploadBytes": 10_000}
    plans["passing"] = plans["pro"] | {"keyDays": 90}
    return plans


def unreachable_kubeconfig(folder: Path) -> Path:
    """A cluster that does not answer: no submit may mind."""
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{free_port()}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(config))
    return path


def environment_of(
    mongo_url: str, database: str, s3: S3Address, bucket: str, folder: Path
) -> dict[str, str]:
    """The variables of an API process on these stores."""
    return {
        "IMAGERIFT_MONGO_URL": mongo_url,
        "IMAGERIFT_MONGO_DATABASE": database,
        "IMAGERIFT_S3_INTERNAL_URL": s3.internal_url,
        "IMAGERIFT_S3_PUBLIC_URL": s3.public_url,
        "IMAGERIFT_S3_BUCKET": bucket,
        "IMAGERIFT_S3_REGION": s3.region,
        "IMAGERIFT_S3_ACCESS_KEY": s3.access_key,
        "IMAGERIFT_S3_SECRET_KEY": s3.secret_key,
        "IMAGERIFT_KEY_PEPPER": PEPPER,
        "IMAGERIFT_ADMIN_TOKEN": ADMIN_TOKEN,
        "KUBECONFIG": str(unreachable_kubeconfig(folder)),
    }


def settings_of(environment: dict[str, str], **changes: Any) -> ApiSettings:
    values = {
        name.removeprefix("IMAGERIFT_").lower() if name != "KUBECONFIG" else name: value
        for name, value in environment.items()
    }
    # Tests come from one address, faster than any stranger.
    values["unidentified_requests_per_minute"] = "100000"
    return ApiSettings.model_validate(values | changes)


class MongoCommands(CommandListener):
    """The (command, collection) pairs that this process sends from `start` on."""

    def __init__(self) -> None:
        self._seen: list[tuple[str, str]] | None = None

    def start(self) -> list[tuple[str, str]]:
        self._seen = []
        return self._seen

    def stop(self) -> None:
        self._seen = None

    def started(self, event: CommandStartedEvent) -> None:
        # Every minute, whatever is asked: what the time is.
        if self._seen is not None and event.command_name != "hello":
            self._seen.append((event.command_name, str(event.command[event.command_name])))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Only starts are of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Only starts are of interest."""


class Api:
    """One replica, in this process."""

    def __init__(self, settings: ApiSettings, *, port: int | None = None) -> None:
        self.settings = settings
        self._port = port
        self._stack = AsyncExitStack()
        self.base_url = ""
        self.database: Database
        self.stores: Stores
        self.store: ObjectStore
        self.http: aiohttp.ClientSession
        self.metrics: Metrics

    @property
    def plans(self) -> Plans:
        return load_plans(self.settings.plans_file)

    async def __aenter__(self) -> Self:
        self.metrics = metrics = Metrics()
        self._stack.callback(metrics.close)
        url = self.settings.mongo_url.get_secret_value()
        self.database = await self._stack.enter_async_context(
            connect(url, self.settings.mongo_database)
        )
        self.stores = Stores(self.database)
        self.store = await self._stack.enter_async_context(open_store(self.settings))
        runner = api_runner(build_application(self.settings, metrics))
        await runner.setup()
        self._runner = runner
        self._stack.push_async_callback(runner.cleanup)
        port = self._port or free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.base_url = f"http://127.0.0.1:{port}"
        self.http = await self._stack.enter_async_context(aiohttp.ClientSession(self.base_url))
        return self

    async def until_ready(self) -> None:
        """Returns once the replica takes requests."""
        end = time.monotonic() + _READY_SECONDS
        while (await self.call("GET", "/readyz")).status != 200:
            assert time.monotonic() < end, "the API does not become ready"
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Ends the replica; the test's own way to the stores stays open."""
        await self._runner.cleanup()

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    async def call(self, method: str, path: str, **arguments: Any) -> Answer:
        async with self.http.request(method, path, **arguments) as response:
            text = await response.text()
            body = json.loads(text) if "json" in response.content_type else text
            return Answer(response.status, response.headers, body)

    async def generate(self, tenant: Tenant, **fields: Any) -> Answer:
        """A submit that is right but for `fields`; a field given as None is left out."""
        body: dict[str, Any] = {
            "mode": "style",
            "prompt": "a product on a clean studio background",
            "imageBase64": encode(picture()),
        }
        body = {key: value for key, value in (body | fields).items() if value is not None}
        # As a stream: aiohttp warns of large bodies in one piece.
        data = io.BytesIO(json.dumps(body).encode())
        return await self.call("POST", "/api/v1/generate", data=data, headers=tenant.headers)

    async def tenant(
        self, plan: str = "business", scopes: tuple[Scope, ...] = ALL_SCOPES
    ) -> Tenant:
        """A new workspace on `plan` with a key, made while the plan still allowed one."""
        workspace = new_workspace_id()
        await self.stores.workspaces.create(
            Workspace(_id=workspace, name="test", plan="pro", created_at=clock.now())
        )
        stores = self.stores
        creation = KeyMaker(stores.keys, stores.workspaces, self.plans, bytes.fromhex(PEPPER))
        created = await creation.create(workspace, "test", scopes=scopes, actor=ADMIN_COMMAND)
        await self.stores.workspaces.set_plan(workspace, plan)
        return Tenant(workspace, created.token, created.key.id, self.plans[plan])

    async def stored(self, tenant: Tenant) -> list[str]:
        """The keys of every object that the workspace has."""
        prefix = object_keys.workspace_prefix(tenant.workspace)
        return [item.key async for item in self.store.list_objects(prefix)]

    async def counted(self, tenant: Tenant) -> tuple[int, int]:
        """What the quota counter says: (charged, reserved)."""
        counter = await self.database.counters.find_one({"_id": tenant.counter})
        return (counter["charged"], counter["reserved"]) if counter else (0, 0)

    async def jobs_of(self, tenant: Tenant) -> int:
        return await self.database.jobs.count_documents({"workspace": tenant.workspace})
